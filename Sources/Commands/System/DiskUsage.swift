import Containers
import Images
import Linux
import OCI

private let verbose = Flag.bool("verbose", "v", "Show detailed information on space usage")

extension Command {
    static let systemUsage = Command(
        "df", "", "Show disk usage: of images and their layers, containers and volumes",
        flags: [ImageFlags.format.spec, ImageFlags.json.spec, verbose.spec]
    ) { call in
        let usage = try await call.session.images().diskUsage()
        let containers = try await ContainerUsage.of(call.session)
        call.console.write(try listing.text(rows(usage, containers), format: call.format))
        if call[verbose], call.format == nil { call.console.write(spaceDetails(usage)) }
        return 0
    }
}

private let listing = Listing(
    [
        ("Type", "TYPE"), ("TotalCount", "TOTAL"), ("Active", "ACTIVE"), ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ], standard: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}")

/// What containers and volumes take.
private struct ContainerUsage: Sendable {
    var containers = (total: 0, active: 0, bytes: Int64(0), reclaimable: Int64(0))
    var volumes = (total: 0, active: 0, bytes: Int64(0), reclaimable: Int64(0))

    static func of(_ session: Session) async throws -> ContainerUsage {
        let root = session.settings.root
        let isEmpty = try ["/containers", "/volumes"].allSatisfy { try (names(in: root + $0) ?? []).isEmpty }
        if isEmpty { return ContainerUsage() }
        return try await session.containers().perform { service in
            var usage = ContainerUsage()
            for container in try service.list() {
                let bytes = (try? service.writtenBytes(container.record.id)) ?? 0
                usage.containers.total += 1
                usage.containers.bytes += bytes
                if container.status.isActive {
                    usage.containers.active += 1
                } else {
                    usage.containers.reclaimable += bytes
                }
            }
            let used = try service.volumesInUse()
            for volume in try service.volumes.list() {
                let bytes = (try? allocatedBytes(of: service.volumes.dataPath(volume.name))) ?? 0
                usage.volumes.total += 1
                usage.volumes.bytes += bytes
                if used.contains(volume.name) {
                    usage.volumes.active += 1
                } else {
                    usage.volumes.reclaimable += bytes
                }
            }
            return usage
        }
    }
}

private func rows(_ usage: DiskUsage, _ containers: ContainerUsage) -> [Value] {
    let stored = usage.blobBytes + usage.layerBytes
    return [
        row(
            "Images", usage.images.count, usage.images.count { $0.summary.containers > 0 }, stored,
            usage.reclaimable + usage.restorableBytes),
        row(
            "Containers", containers.containers.total, containers.containers.active, containers.containers.bytes,
            containers.containers.reclaimable),
        row(
            "Local Volumes", containers.volumes.total, containers.volumes.active, containers.volumes.bytes,
            containers.volumes.reclaimable),
        row("Downloads", usage.ingestBytes > 0 ? 1 : 0, 0, usage.ingestBytes, usage.ingestBytes),
    ]
}

private func row(_ type: String, _ total: Int, _ active: Int, _ bytes: Int64, _ reclaimable: Int64) -> Value {
    let share = bytes > 0 ? " (\(reclaimable * 100 / bytes)%)" : ""
    return .record(
        "*formatter.diskUsageContext", escapesHTML: true,
        [
            .always("Active", .string("\(active)")),
            .always("Reclaimable", .string(Units.size(reclaimable, digits: 4) + share)),
            .always("Size", .string(Units.size(bytes, digits: 4))), .always("TotalCount", .string("\(total)")),
            .always("Type", .string(type)),
        ])
}

private func spaceDetails(_ usage: DiskUsage) -> String {
    let lines = usage.images.map { image in
        let summary = image.summary
        let names = summary.tags.isEmpty ? "<none>" : summary.tags.map(\.familiar).joined(separator: ", ")
        return [
            names, summary.id.short, Units.ago(summary.created), Units.size(summary.size),
            Units.size(summary.sharedSize), Units.size(image.uniqueSize), "\(summary.containers)",
        ].joined(separator: "\t")
    }
    let table = Table.laidOut(
        ["IMAGE\tIMAGE ID\tCREATED\tSIZE\tSHARED SIZE\tUNIQUE SIZE\tCONTAINERS"] + lines)
    return """

        Images space usage:

        \(table)
        Blobs as published: \(Units.size(usage.blobBytes, digits: 4))
        Layers as mounted: \(Units.size(usage.layerBytes, digits: 4))
        Kept for undo: \(Units.size(usage.restorableBytes, digits: 4))

        """
}
