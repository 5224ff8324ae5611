// swift-tools-version: 6.3
import PackageDescription

/// The rooms of the house and the arrows between them: docs/architecture.md.
/// `scripts/check-imports` fails on an import that is not listed here.
let package = Package(
    name: "strata",
    products: [
        .executable(name: "strata", targets: ["strata"]),
        .library(name: "OCI", targets: ["OCI"]),
        .library(name: "Archive", targets: ["Archive"]),
        .library(name: "Content", targets: ["Content"]),
        .library(name: "RegistryClient", targets: ["RegistryClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0", traits: []),
        .package(url: "https://github.com/hummingbird-project/hummingbird", exact: "2.28.1", traits: []),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2", traits: []),
    ],
    targets: [
        // C libraries of the system, and our own shim for calls that Glibc's module map hides.
        .systemLibrary(name: "CIsal", providers: [.apt(["libisal-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .systemLibrary(name: "CCrypt", pkgConfig: "libcrypt", providers: [.apt(["libcrypt-dev"])]),
        .target(name: "CLinux"),

        .target(name: "OCI", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "Archive", dependencies: ["CIsal", "CZlib", "CZstd"]),
        .target(name: "Linux", dependencies: ["CLinux", .product(name: "SystemPackage", package: "swift-system")]),
        .target(name: "Content", dependencies: ["OCI", "Linux"]),
        .target(name: "Snapshots", dependencies: ["OCI", "Archive", "Linux"]),
        .target(
            name: "RegistryClient",
            dependencies: [
                "OCI", "Content",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        .target(name: "SQL", dependencies: ["CSQLite"]),
        .target(
            name: "Images", dependencies: ["OCI", "Archive", "Linux", "Content", "Snapshots", "RegistryClient", "SQL"]),
        .target(
            name: "Containers",
            dependencies: ["OCI", "Archive", "Linux", "Snapshots"]),
        .target(
            name: "RegistryServer",
            dependencies: [
                "OCI", "Linux", "Content", "SQL", "RegistryClient", "CCrypt",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        .target(
            name: "Commands",
            dependencies: [
                "OCI", "Archive", "Linux", "Content", "Snapshots", "RegistryClient", "SQL", "Images", "Containers",
                "RegistryServer",
            ]),
        .executableTarget(
            name: "strata", dependencies: ["Commands"],
            // Nothing loads itself into the program: exporting 46,000 names takes 4 MB and half a millisecond of each start.
            linkerSettings: [.unsafeFlags(["-Xlinker", "--no-export-dynamic"])]),

        .target(
            name: "TestSupport",
            dependencies: [
                "OCI", "Archive", "Linux", "Content", "Snapshots", "RegistryClient", "SQL", "Images", "Containers",
                "RegistryServer", "Commands",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/TestSupport"),
    ]
)

let tests: [String: [Target.Dependency]] = [
    "OCITests": ["OCI"],
    "ArchiveTests": ["Archive", "OCI", "Linux"],
    "LinuxTests": ["Linux"],
    "ContentTests": ["Content", "OCI", "Linux"],
    "SnapshotsTests": ["Snapshots", "OCI", "Archive", "Linux"],
    "RegistryClientTests": ["RegistryClient", "OCI", "Content"],
    "SQLTests": ["SQL"],
    "ImagesTests": ["Images", "OCI", "Archive", "Linux", "Content", "Snapshots", "RegistryClient", "SQL"],
    "ContainersTests": ["Containers", "OCI", "Archive", "Linux", "Snapshots"],
    "RegistryServerTests": [
        "RegistryServer", "OCI", "Linux", "Content", "SQL", "RegistryClient",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOEmbedded", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
    ],
    "CommandsTests": ["Commands", "OCI", "Images", "Containers"],
    "EndToEndTests": ["strata", "OCI", "Archive", "Linux", "Content", "Snapshots", "RegistryClient", "Images"],
]
for (name, dependencies) in tests.sorted(by: { $0.key < $1.key }) {
    package.targets.append(.testTarget(name: name, dependencies: dependencies + ["TestSupport"]))
}

for target in package.targets where [.regular, .executable, .test].contains(target.type) && target.name != "CLinux" {
    var settings = target.swiftSettings ?? []
    settings += [
        "ExistentialAny", "MemberImportVisibility", "InternalImportsByDefault", "NonisolatedNonsendingByDefault",
    ]
    .map { .enableUpcomingFeature($0) }
    settings += [.treatAllWarnings(as: .error), .treatWarning("DeprecatedDeclaration", as: .warning)]
    if target.type != .test { settings.append(.strictMemorySafety()) }
    target.swiftSettings = settings
}
