// swift-tools-version: 6.3
import PackageDescription

/// The fuzz targets of the rooms' tests under libFuzzer: `make fuzz`.
///
/// The rooms' sources are compiled here (by symbolic links) and not taken as products: coverage has to be built into them,
/// and no parser needs the HTTP stack that the whole package would bring along.
let instrumented: [SwiftSetting] = [.unsafeFlags(["-sanitize=fuzzer", "-enable-testing", "-O"])]

let package = Package(
    name: "fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2")],
    targets: [
        .systemLibrary(name: "CIsal"),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
        .systemLibrary(name: "CZstd", pkgConfig: "libzstd"),
        .target(name: "CFuzzer"),
        .target(
            name: "OCI", dependencies: [.product(name: "Crypto", package: "swift-crypto")], swiftSettings: instrumented),
        .target(name: "Archive", dependencies: ["CIsal", "CZlib", "CZstd"], swiftSettings: instrumented),
        .target(name: "RegistryClient", dependencies: ["OCI"], swiftSettings: instrumented),
        .target(name: "TestSupport"),
        .executableTarget(
            name: "StrataFuzz", dependencies: ["CFuzzer", "OCI", "Archive", "RegistryClient", "TestSupport"],
            swiftSettings: [.unsafeFlags(["-enable-testing"])],
            linkerSettings: [.unsafeFlags(["-sanitize=fuzzer", "-use-ld=lld"])]),
    ]
)

for target in package.targets where [.regular, .executable].contains(target.type) && target.name != "CFuzzer" {
    target.swiftSettings =
        (target.swiftSettings ?? [])
        + ["ExistentialAny", "MemberImportVisibility", "InternalImportsByDefault", "NonisolatedNonsendingByDefault"]
        .map { .enableUpcomingFeature($0) }
}
