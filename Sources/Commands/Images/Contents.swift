import Images
import OCI

private let human = Flag.bool("human", "H", "Print sizes in human readable format", default: true)
private let quiet = Flag.bool("quiet", "q", "Only show paths")
private let layer = Flag.string(
    "layer", nil, "Show one layer's own entries: its number from 1, or its digest or the beginning of it")

extension Command {
    static let imageDifference = Command(
        "diff", "IMAGE IMAGE", "Show what differs between two images",
        details: """
            A: only in the second image, D: only in the first, C: in both, but another kind of file, mode, owner, link target,
            attribute or content. Times do not count.
            """,
        flags: [ImageFlags.format.spec, ImageFlags.json.spec, human.spec, quiet.spec], count: .exactly(2),
        completes: .images
    ) { call in
        let found = try await call.session.images().diff(call.arguments[0], call.arguments[1])
        let isHuman = call[human]
        let rows = found.map { change in
            Value.record(
                "strata.FileDifference",
                [
                    .always("Change", .string(change.change.rawValue)), .always("Path", .string(shown(change.path))),
                    .always("OldSize", size(change.oldSize, isHuman)),
                    .always("NewSize", size(change.newSize, isHuman)),
                ])
        }
        call.console.write(try differences.text(rows, format: call.format, quiet: call[quiet] ? "Path" : nil))
        return 0
    }

    static let imageFiles = Command(
        "files", "IMAGE", "List the files of an image, or of one of its layers",
        flags: [ImageFlags.format.spec, ImageFlags.json.spec, human.spec, layer.spec, quiet.spec], count: .exactly(1),
        completes: .images
    ) { call in
        let found = try await call.session.images().files(call.arguments[0], layer: call[layer])
        let isHuman = call[human]
        let rows = found.map { entry in
            let link = entry.linkTarget.map { (entry.kind == .symlink ? " -> " : " link to ") + shown($0) } ?? ""
            return Value.record(
                "strata.FileEntry",
                [
                    .always("Group", .int(Int64(entry.gid))), .always("Kind", .string(entry.kind.rawValue)),
                    .always("Layer", .string(entry.diffID.description)), .always("Link", .string(link)),
                    .always("Mode", .string(mode(entry))), .always("Modified", .string(Times.rfc3339(entry.mtime))),
                    .always("Owner", .string("\(entry.uid):\(entry.gid)")), .always("Path", .string(shown(entry.path))),
                    .always("Size", size(entry.size, isHuman)), .always("User", .int(Int64(entry.uid))),
                ])
        }
        call.console.write(try files.text(rows, format: call.format, quiet: call[quiet] ? "Path" : nil))
        return 0
    }

    static let imageWhy = Command(
        "why", "IMAGE|LAYER", "Show what keeps an image and its layers",
        details: "FREES is what goes with a reason alone: nothing, where something else keeps the bytes, too.",
        flags: [ImageFlags.format.spec, ImageFlags.json.spec, human.spec], count: .exactly(1), completes: .images
    ) { call in
        let isHuman = call[human]
        let rows = try await call.session.images().why(call.arguments[0]).map { reason in
            Value.record(
                "strata.KeepReason",
                [
                    .always("Frees", size(reason.bytes, isHuman)), .always("Reason", .string(reason.reason)),
                    .always("Subject", .string(reason.subject)),
                ])
        }
        call.console.write(try reasons.text(rows, format: call.format))
        return 0
    }
}

private let differences = Listing(
    [("Change", "CHANGE"), ("OldSize", "OLD SIZE"), ("NewSize", "NEW SIZE"), ("Path", "PATH")],
    standard: "{{.Change}}\t{{.OldSize}}\t{{.NewSize}}\t{{.Path}}")

private let files = Listing(
    [
        ("Mode", "MODE"), ("Owner", "OWNER"), ("Size", "SIZE"), ("Modified", "MODIFIED"), ("Path", "PATH"),
        ("Link", ""), ("Kind", "KIND"), ("Layer", "LAYER"), ("User", "USER"), ("Group", "GROUP"),
    ], standard: "{{.Mode}}\t{{.Owner}}\t{{.Size}}\t{{.Modified}}\t{{.Path}}{{.Link}}")

private let reasons = Listing(
    [("Subject", "SUBJECT"), ("Reason", "KEPT BY"), ("Frees", "FREES")],
    standard: "{{.Subject}}\t{{.Reason}}\t{{.Frees}}")

private func size(_ bytes: Int64?, _ human: Bool) -> Value {
    .string(bytes.map { human ? Units.size($0) : "\($0)" } ?? "-")
}

/// As `ls -l` writes it.
private func mode(_ entry: FileEntry) -> String {
    let kinds: [FileEntry.Kind: Character] = [
        .file: "-", .hardlink: "-", .directory: "d", .symlink: "l", .character: "c", .block: "b", .fifo: "p",
        .socket: "s", .whiteout: "w",
    ]
    var text = String(kinds[entry.kind] ?? "?")
    let special: [(bit: UInt16, set: Character, alone: Character)] = [
        (0o4000, "s", "S"), (0o2000, "s", "S"), (0o1000, "t", "T"),
    ]
    for (place, special) in special.enumerated() {
        let bits = entry.mode >> UInt16(6 - 3 * place)
        text.append(bits & 4 != 0 ? "r" : "-")
        text.append(bits & 2 != 0 ? "w" : "-")
        let runs = bits & 1 != 0
        text.append(entry.mode & special.bit != 0 ? (runs ? special.set : special.alone) : runs ? "x" : "-")
    }
    return text
}

/// A path without what would steer a terminal or break a line.
private func shown(_ path: String) -> String {
    if path.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 && !(128..<160).contains($0.value) }) {
        return path
    }
    return path.unicodeScalars.reduce(into: "") { text, scalar in
        if scalar.value < 32 || (127..<160).contains(scalar.value) {
            text += "\\x" + String(256 + scalar.value, radix: 16).dropFirst()
        } else {
            text.unicodeScalars.append(scalar)
        }
    }
}
