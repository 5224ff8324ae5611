// swift-tools-version: 6.3
import PackageDescription

/// Micro-benchmarks: what the hot paths cost in allocations and instructions. `scripts/check-micro` compares the counts with
/// `micro-limits.json`. A package of its own, so that the product does not build it.
let package = Package(
    name: "strata-benchmarks",
    dependencies: [.package(name: "strata", path: "..")],
    targets: [
        .target(name: "CMicro", linkerSettings: [.linkedLibrary("z"), .linkedLibrary("zstd")]),
        .executableTarget(
            name: "micro",
            dependencies: [
                "CMicro", .product(name: "Archive", package: "strata"), .product(name: "OCI", package: "strata"),
            ],
            swiftSettings: [
                .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("InternalImportsByDefault"), .treatAllWarnings(as: .error),
            ]),
    ]
)
