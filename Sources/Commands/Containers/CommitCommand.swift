import Containers
import Images
import Linux
import OCI

extension Command {
    private static let author = Flag.string(
        "author", "a", "Author (e.g., \"John Hannibal Smith <hannibal@a-team.com>\")")
    private static let changes = Flag.parsedList("change", "c", "Apply Dockerfile instruction to the created image") {
        try ConfigChange(parsing: $0)
    }
    private static let message = Flag.string("message", "m", "Commit message")
    private static let pause = Flag.bool("pause", "p", "Pause container during commit", default: true)

    static let containerCommit = Command(
        "commit", "CONTAINER [REPOSITORY[:TAG]]", "Create a new image from a container's changes",
        shortForms: ["commit"], flags: [author.spec, changes.spec, message.spec, pause.spec], count: .between(1, 2),
        completes: .containers
    ) { call in
        let name = call.arguments[0]
        let target = try call.arguments.dropFirst().first.map { try Reference.typed($0).withDefaultTag }
        let containers = try call.session.containers()
        let record = try await containers.perform { service in try service.info(try service.find(name)).record }
        var request = CommitRequest(base: record.imageID, config: record.committedConfig)
        request.changes = call[changes]
        request.createdBy = record.arguments.joined(separator: " ")
        request.author = call[author] ?? ""
        request.message = call[message] ?? ""
        request.target = target
        let isPausing = call[pause]
        // The layer goes through a pipe: nothing of it is kept but what the store keeps.
        let (input, output) = try Pipe().taken()
        let packing = Task {
            try await containers.perform { service in
                // Closed in any case: the reader must see an end.
                let target = OwnedDescriptor(owning: output)
                let raw = target.raw
                ignoreBrokenPipes()
                try unsafe service.packLayer(record.id, pausing: isPausing) {
                    try unsafe writeAll($0, to: raw, "layer")
                }
                try target.close("layer")
            }
        }
        let id: Digest
        do {
            let source = OwnedDescriptor(owning: input)
            id = try await call.session.images().commit(request, layerFrom: source.raw) { try await packing.value }
            _ = consume source
        } catch {
            // What kept the layer from being packed is the cause of what its reader met.
            if case .failure(let cause) = await packing.result, (cause as? SystemError)?.errno != 32 { throw cause }
            throw error
        }
        call.console.line("\(id)")
        return 0
    }
}

extension ContainerRecord {
    /// What an image made of the container says: what belongs to this one container alone is left out.
    fileprivate var committedConfig: ContainerConfig {
        var config = config
        config.hostname = nil
        config.domainname = nil
        config.tty = nil
        config.openStdin = nil
        return config
    }
}
