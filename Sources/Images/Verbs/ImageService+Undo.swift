import OCI
import SQL

extension ImageService {
    package func undoEntries() async throws -> [UndoEntry] {
        try await blocking {
            let now = self.now()
            return try self.metadata.read { connection in
                try Journal.entries(at: now, connection).map { try Self.told($0, connection) }
            }
        }
    }

    package func undo(_ id: Int64?) async throws -> UndoEntry {
        try await blocking {
            let now = self.now()
            let users = Set(try self.imageUsers().map(\.imageID))
            let undone = try self.metadata.write { connection in
                guard let entry = try Journal.entries(at: now, id: id, connection).first else {
                    let grace = "a step can be taken back for \(self.options.graceSeconds / 3600) hours"
                    throw id.map { ImageError(.notFound, "No such step: \($0)", hint: grace) }
                        ?? ImageError(.notFound, "there is nothing to undo", hint: grace)
                }
                let told = try Self.told(entry, connection)
                try Self.takeBack(entry, inUse: users, at: now, connection)
                return told
            }
            try self.publishIndex()
            return undone
        }
    }

    private static func takeBack(
        _ entry: Journal.Entry, inUse: Set<Digest>, at now: Int64, _ connection: any SQLConnection
    ) throws {
        for id in entry.removed {
            guard let image = try ImageStore.image(id, connection, .summary, evenRemoved: true) else {
                throw ImageError(
                    .conflict, "cannot undo step \(entry.id): the image \(id.short) is gone",
                    hint: "its space was needed or freed; pull it again")
            }
            try connection.execute("UPDATE images SET removed_step = NULL WHERE id = $1", [.integer(image.row)])
        }
        for change in entry.names {
            if try !change.isAsLeft(connection) {
                throw ImageError(
                    .conflict, "cannot undo step \(entry.id): \(change.name.familiar) was changed later",
                    hint: "undo the later step first: `strata image undo --list` shows them")
            }
            if var before = change.before {
                let image = try connection.row(
                    "SELECT removed_step FROM images JOIN manifests ON image = images.id WHERE digest = $1",
                    [.text(before.manifest.description)])
                guard let image, image.optionalInteger(0) == nil else {
                    throw ImageError(
                        .conflict,
                        "cannot undo step \(entry.id): the image that \(change.name.familiar) named is gone",
                        hint: "pull it again")
                }
                before.updated = now
                try ImageStore.write(before, connection)
            } else {
                try ImageStore.delete(change.name, connection)
            }
        }
        // What the step brought goes again, unless somebody uses it meanwhile.
        for id in entry.added where !inUse.contains(id) {
            guard let image = try ImageStore.image(id, connection, .summary), image.references.isEmpty else { continue }
            try connection.execute(
                "UPDATE images SET removed_step = $1 WHERE id = $2", [.integer(entry.id), .integer(image.row)])
        }
        try Journal.markUndone(entry, connection)
    }

    /// The step in words.
    private static func told(_ entry: Journal.Entry, _ connection: any SQLConnection) throws -> UndoEntry {
        func image(_ manifest: Digest) throws -> String {
            try ImageStore.imageID(of: manifest, connection)?.short ?? manifest.short
        }
        // A digest follows its tag: it is worth a line only where there is no tag.
        let tags = entry.names.filter { $0.name.tag != nil }
        var changes = try (tags.isEmpty ? entry.names : tags).map { change in
            let name = change.name.familiar
            switch (change.before, change.after) {
            case (let before?, let after?):
                return "\(name): \(try image(before.manifest)) → \(try image(after.manifest))"
            case (nil, let after?): return "\(name) → \(try image(after.manifest))"
            case (let before?, nil): return "untagged \(name) (\(try image(before.manifest)))"
            case (nil, nil): return name
            }
        }
        changes += entry.removed.map { "deleted \($0.short)" }
        return UndoEntry(id: entry.id, at: entry.at, action: entry.action, changes: changes, until: entry.until)
    }
}
