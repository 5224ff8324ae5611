import Containers
import OCI

/// A container as a row of `ps`: docker's fields and texts.
struct ContainerRow: TemplateObject {
    var info: ContainerInfo
    /// Bytes of its own layer, and of layer and image together; nil where sizes were not asked for.
    var sizes: (written: Int64, total: Int64)?
    /// Seconds since 1970.
    var now: Int64 = 0
    var truncates = true

    private static let headers: [Listing.Header] = [
        ("ID", "CONTAINER ID"), ("Names", "NAMES"), ("Image", "IMAGE"), ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"), ("RunningFor", "CREATED"), ("Ports", "PORTS"), ("State", "STATE"),
        ("Status", "STATUS"), ("Size", "SIZE"), ("Labels", "LABELS"), ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"), ("Networks", "NETWORKS"),
    ]

    static func listing(withSize: Bool) -> Listing {
        Listing(
            headers,
            standard: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
                + (withSize ? "\t{{.Size}}" : ""))
    }

    var typeName: String { "*formatter.ContainerContext" }
    var escapesHTML: Bool { true }
    var jsonFields: [String] { Self.headers.map(\.field).sorted() }

    func field(_ name: String) -> Value? {
        let record = info.record
        switch name {
        case "ID": return .string(truncates ? record.id.short : record.id.hex)
        case "Names": return .string(record.name)
        case "Image": return .string(record.image)
        case "Command": return .string(command)
        case "CreatedAt": return .string(Times.local(record.created / 1_000_000_000))
        case "RunningFor": return .string(Units.duration(now - record.created / 1_000_000_000) + " ago")
        case "Ports": return .string(ports)
        case "State": return .string(info.status.rawValue)
        case "Status": return .string(status)
        case "Size":
            guard let sizes else { return .string("0B") }
            let virtual = sizes.total > 0 ? " (virtual \(Units.size(sizes.total)))" : ""
            return .string(Units.size(sizes.written) + virtual)
        case "Labels":
            return .string(
                (record.config.labels ?? [:]).sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                    .joined(separator: ","))
        case "Mounts":
            return .string(
                record.mounts.filter { $0.kind != .tmpfs }.map { mount in
                    let name = mount.name ?? mount.source
                    return truncates ? Self.ellipsis(name, 15) : name
                }.joined(separator: ","))
        case "LocalVolumes": return .string("\(record.mounts.count { $0.kind == .volume })")
        case "Networks":
            let network = record.hostConfig.network
            return .string(network.hasPrefix("container:") ? "" : network)
        default: return nil
        }
    }

    func call(_ method: String, _ arguments: [Value]) throws -> Value? {
        guard method == "Label", arguments.count == 1, case .string(let key) = arguments[0] else { return nil }
        return .string(info.record.config.labels?[key] ?? "")
    }

    /// At most so many characters, the last of them `…` where there were more.
    static func ellipsis(_ text: String, _ width: Int) -> String {
        text.unicodeScalars.count <= width
            ? text : String(String.UnicodeScalarView(text.unicodeScalars.prefix(width - 1))) + "…"
    }

    private var command: String {
        let words = info.record.arguments
        let text = ([info.record.path] + words.dropFirst().map { $0.contains(" ") ? "'\($0)'" : $0 })
            .joined(separator: " ")
        return GoFormat.quoted(truncates ? Self.ellipsis(text, 20) : text)
    }

    // MARK: Status

    /// `Up 5 minutes`, `Exited (0) 3 hours ago`, `Created`.
    private var status: String {
        func since(_ moment: Int64?) -> String { Units.duration(now - (moment ?? 0) / 1_000_000_000) }
        switch info.status {
        case .running: return "Up \(since(info.state.started))"
        case .paused: return "Up \(since(info.state.started)) (Paused)"
        case .restarting: return "Restarting (\(info.state.exitCode)) \(since(info.state.finished)) ago"
        case .removing: return "Removal In Progress"
        case .dead: return "Dead"
        case .created: return "Created"
        case .exited:
            guard info.state.finished != nil else { return info.state.started == nil ? "Created" : "Exited" }
            return "Exited (\(info.state.exitCode)) \(since(info.state.finished)) ago"
        }
    }

    // MARK: Ports

    private var ports: String {
        guard info.status.isActive else { return "" }
        let published = info.state.network?.ports ?? []
        let exposed = (info.record.config.exposedPorts ?? [:]).keys.compactMap { ContainerPort($0) }
            .filter { port in !published.contains { $0.container == port } }
        return Self.text(published: published, exposed: exposed)
    }

    /// A run of ports one after another at one address.
    private struct Run {
        var address: String
        var transport: String
        var host: ClosedRange<UInt16>?
        var container: ClosedRange<UInt16>

        func continues(_ next: Run) -> Bool {
            address == next.address && transport == next.transport && (host == nil) == (next.host == nil)
                && container.upperBound < .max && container.upperBound + 1 == next.container.lowerBound
                // docker joins only ports that are the same inside and outside.
                && (host.map { $0.lowerBound == container.lowerBound } ?? true)
                && (next.host.map { $0 == next.container } ?? true)
        }

        var text: String {
            func range(_ range: ClosedRange<UInt16>) -> String {
                range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound)-\(range.upperBound)"
            }
            let inside = "\(range(container))/\(transport)"
            guard let host else { return inside }
            return "\(address.contains(":") ? "[\(address)]" : address):\(range(host))->\(inside)"
        }
    }

    /// `0.0.0.0:8080->80/tcp, 443/tcp`, consecutive ports as ranges.
    static func text(published: [PortMapping], exposed: [ContainerPort]) -> String {
        var runs = exposed.map {
            Run(address: "", transport: $0.transport.rawValue, host: nil, container: $0.number...$0.number)
        }
        runs += published.map {
            Run(
                address: $0.hostAddress.isEmpty ? "0.0.0.0" : $0.hostAddress,
                transport: $0.container.transport.rawValue, host: $0.hostPort...$0.hostPort,
                container: $0.container.number...$0.container.number)
        }
        runs.sort {
            ($0.container.lowerBound, $0.address, $0.transport, $0.host?.lowerBound ?? 0)
                < ($1.container.lowerBound, $1.address, $1.transport, $1.host?.lowerBound ?? 0)
        }
        var joined: [Run] = []
        for run in runs {
            guard let index = joined.lastIndex(where: { $0.continues(run) }) else {
                joined.append(run)
                continue
            }
            joined[index].container = joined[index].container.lowerBound...run.container.upperBound
            if let host = joined[index].host, let next = run.host {
                joined[index].host = host.lowerBound...next.upperBound
            }
        }
        return joined.map(\.text).joined(separator: ", ")
    }
}
