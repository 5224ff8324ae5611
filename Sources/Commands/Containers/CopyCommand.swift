import Containers
import Linux

extension Command {
    private static let archive = Flag.bool("archive", "a", "Archive mode (copy all uid/gid information)")
    private static let followLink = Flag.bool("follow-link", "L", "Always follow symbol link in SRC_PATH")
    private static let quiet = Flag.bool(
        "quiet", "q",
        "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is attached")

    static let containerCopy = Command(
        "cp", "CONTAINER:SRC_PATH DEST_PATH|-\n\tstrata cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        "Copy files/folders between a container and the local filesystem",
        details: """
            Use '-' as the source to read a tar archive from stdin
            and extract it to a directory destination in a container.
            Use '-' as the destination to stream a tar archive of a
            container source to stdout.
            """,
        shortForms: ["cp"], flags: [archive.spec, followLink.spec, quiet.spec], count: .exactly(2),
        completes: .containers
    ) { call in
        let source = CopyPath(call.arguments[0])
        let target = CopyPath(call.arguments[1])
        if source.path.isEmpty { throw ContainerError(.invalid, "source can not be empty") }
        if target.path.isEmpty { throw ContainerError(.invalid, "destination can not be empty") }
        var options = CopyOptions()
        options.keepsOwners = call[archive]
        options.followsLinks = call[followLink]
        let chosen = options
        let containers = try call.session.containers()
        let bytes: Int64?
        switch (source.container, target.container) {
        case (_?, _?): throw ContainerError(.invalid, "copying between containers is not supported")
        case (nil, nil): throw ContainerError(.invalid, "must specify at least one container source")
        case (let name?, nil):
            bytes = try await containers.perform { service in
                let id = try service.find(name)
                if target.path == "-" {
                    try unsafe service.copyOut(id, source.path, followsLinks: chosen.followsLinks) {
                        try unsafe writeAll($0, to: 1, "standard output")
                    }
                    return nil
                }
                return try service.copy(from: id, source.path, to: target.absolute, chosen)
            }
        case (nil, let name?):
            bytes = try await containers.perform { service in
                let id = try service.find(name)
                if source.path == "-" {
                    try service.copyIn(id, target.path, keepsOwners: true) {
                        try readSome(from: 0, upTo: 1 << 20, "standard input")
                    }
                    return nil
                }
                return try service.copy(source.absolute, to: id, target.path, chosen)
            }
        }
        if let bytes, !call[quiet], call.console.isTerminal {
            call.console.complain("Successfully copied \(Units.size(bytes)) to \(call.arguments[1])")
        }
        return 0
    }
}

/// One end of `cp` as it was typed.
struct CopyPath: Sendable, Equatable {
    /// nil: the path is the host's.
    var container: String?
    var path: String

    init(_ text: String) {
        path = text
        // A path that begins so is never a container's, whatever colons it has.
        if text.hasPrefix("/") || text.hasPrefix(".") { return }
        guard let colon = text.firstIndex(of: ":") else { return }
        container = String(text[..<colon])
        path = String(text[text.index(after: colon)...])
    }

    /// Below the working directory; what the end of the path says is kept.
    var absolute: String { path.hasPrefix("/") ? path : workingDirectory() + "/" + path }
}
