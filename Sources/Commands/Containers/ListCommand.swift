import Containers
import Images
import Linux
import OCI

extension Command {
    private static let all = Flag.bool("all", "a", "Show all containers (default shows just running)")
    private static let filters = Flag.list(
        "filter", "f", "Filter output based on conditions provided", valueName: "filter")
    private static let last = Flag.int("last", "n", "Show n last created containers (includes all states) (default -1)")
    private static let latest = Flag.bool("latest", "l", "Show the latest created container (includes all states)")
    private static let noTruncation = Flag.bool("no-trunc", nil, "Don't truncate output")
    private static let quiet = Flag.bool("quiet", "q", "Only display container IDs")
    private static let size = Flag.bool("size", "s", "Display total file sizes")

    static let containerList = Command(
        "ls", "", "List containers", aliases: ["list", "ps"], shortForms: ["ps"],
        flags: [
            all.spec, filters.spec, .format(nil, true), last.spec, latest.spec, noTruncation.spec, quiet.spec,
            size.spec,
        ]
    ) { call in
        var filter = ContainerFilter()
        for text in call[filters] { try filter.add(text) }
        let images = try call.session.images()
        filter.ancestors = Set(filter.ancestorNames.compactMap { try? images.find($0).image.id })
        let (wanted, count) = (filter, call[latest] ? 1 : call[last] ?? -1)
        let showsAll = call[all] || count > 0 || filter.asksForAll
        let format = FlagValues(call).list("format").last
        let wantsSize = call[size] || format?.contains(".Size") == true
        let rows = try await call.session.containers().perform { service in
            var list = try wanted.select(try service.list())
            if !showsAll { list = list.filter { $0.status.isActive } }
            if count > 0 { list = Array(list.prefix(count)) }
            return try list.map { info in
                ContainerRow(info: info, sizes: wantsSize ? try service.sizes(of: info, images) : nil)
            }
        }
        let now = wallClockSeconds()
        let truncates = !call[noTruncation]
        let values = rows.map { row in
            var row = row
            row.now = now
            row.truncates = truncates
            return Value.object(row)
        }
        call.console.write(
            try ContainerRow.listing(withSize: call[size]).text(
                values, format: format, quiet: call[quiet] ? "ID" : nil))
        return 0
    }
}

extension ContainerService {
    /// Bytes of a container's own layer, and of it and its image together.
    func sizes(of info: ContainerInfo, _ images: ImageService) throws -> (written: Int64, total: Int64) {
        let written = try writtenBytes(info.record.id)
        let image = (try? images.find("\(info.record.imageID)").image.size) ?? 0
        return (written, image + written)
    }
}
