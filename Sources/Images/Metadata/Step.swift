package import OCI
import SQL

/// What a step of the journal was.
package enum StepAction: String, Sendable { case pull, load, `import`, tag, remove = "rm", prune, build, commit }

/// Changes names and images in one transaction, and writes down what was before, so that the step can be taken back.
///
/// Nothing is written to the journal for a step that changed nothing.
package struct Step {
    let connection: any SQLConnection
    private let action: StepAction
    private let now: Int64
    private let until: Int64
    private var id: Int64?
    private var names: [String: (before: StoredReference?, after: StoredReference?)] = [:]
    private var images: [Digest: ImageChange] = [:]

    enum ImageChange: String { case added, removed }

    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - grace: how long the step can be taken back, in seconds.
    init(_ action: StepAction, at now: Int64, grace: Int64, _ connection: any SQLConnection) {
        self.connection = connection
        self.action = action
        self.now = now
        until = now + max(0, grace)
    }

    /// Writes an image's rows.
    package mutating func add(_ image: NewImage) throws {
        let digest = image.id
        guard try ImageStore.write(image, at: now, connection) else { return }
        // An image that this very step removed is simply still there.
        images[digest] = images[digest] == .removed ? nil : .added
    }

    /// Lets a full name mean a manifest. The image must have its rows.
    ///
    /// - Parameters:
    ///   - name: with a tag or a digest; a digest goes before a tag.
    ///   - target: what the registry served under the name; the manifest itself where nothing else did.
    /// - Returns: what it meant before.
    @discardableResult
    package mutating func name(_ name: Reference, manifest: Digest, target: Descriptor) throws -> StoredReference? {
        let before = try ImageStore.reference(name, connection)?.reference
        let plain = Descriptor(mediaType: target.mediaType, digest: target.digest, size: target.size)
        if before?.manifest == manifest, before?.target == plain { return before }
        let after = StoredReference(name: name, manifest: manifest, target: plain, updated: now)
        try ImageStore.write(after, connection)
        names[name.stored] = (names[name.stored].map { $0.before } ?? before, after)
        return before
    }

    /// Takes a name away; one that is not there is fine.
    package mutating func unname(_ name: Reference) throws {
        guard let before = try ImageStore.reference(name, connection)?.reference else { return }
        try ImageStore.delete(name, connection)
        names[name.stored] = (names[name.stored].map { $0.before } ?? before, nil)
    }

    /// Marks an image as removed. Its rows and blobs stay until the step cannot be taken back any more.
    package mutating func remove(_ image: StoredImage) throws {
        try connection.execute(
            "UPDATE images SET removed_step = $1 WHERE id = $2", [.integer(try begin()), .integer(image.row)])
        images[image.id] = images[image.id] == .added ? nil : .removed
    }

    /// Gives up the earlier steps that could only be taken back after this one, which cannot.
    ///
    /// They are those whose names mean something else now than what they left, and those that would bring a name back for
    /// an image that this step removed.
    func giveUpBlocked() throws {
        var touched = Set(names.keys)
        for entry in try Journal.entries(at: now, connection) {
            let isBlocked = try entry.names.contains { change in
                if try touched.contains(change.name.stored) && !change.isAsLeft(connection) { return true }
                return try change.before.map { try isRemoved($0.manifest) } ?? false
            }
            let all = entry.names.map(\.name.stored)
            if isBlocked {
                try Journal.expire(entry, at: now, connection)
                touched.formUnion(all)
            } else {
                // An earlier step of these names comes after this one, which can be taken back.
                touched.subtract(all)
            }
        }
    }

    /// Whether a manifest's image is one that this step removed, or gone for good.
    private func isRemoved(_ manifest: Digest) throws -> Bool {
        try ImageStore.imageID(of: manifest, connection).map { images[$0] == .removed } ?? true
    }

    private mutating func begin() throws -> Int64 {
        if let id { return id }
        try connection.execute(
            "INSERT INTO steps (at, action, until, seal) VALUES ($1, $2, $3, $4)",
            [
                .integer(now), .text(action.rawValue), .integer(until),
                .text(Journal.seal(at: now, action: action.rawValue, until: until, undone: false)),
            ])
        let new = try ImageStore.lastRow(connection)
        id = new
        return new
    }

    /// Writes the journal.
    ///
    /// - Returns: the step's number; nil where it changed nothing.
    mutating func finish() throws -> Int64? {
        let moved = names.filter { $0.value.before != $0.value.after }
        if moved.isEmpty, images.isEmpty, id == nil { return nil }
        let step = try begin()
        for (name, change) in moved {
            let fields = Self.fields(change.before) + Self.fields(change.after)
            try connection.execute(
                """
                INSERT INTO step_refs (step, name, before_manifest, before_target, before_type, before_size,
                    after_manifest, after_target, after_type, after_size, seal)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
                """,
                [.integer(step), .text(name)] + fields.map { .optional($0) }
                    + [.text(rowSeal(["\(step)", name] + fields))])
        }
        for (image, change) in images {
            try connection.execute(
                "INSERT INTO step_images (step, image, change, seal) VALUES ($1, $2, $3, $4)",
                [
                    .integer(step), .text(image.description), .text(change.rawValue),
                    .text(rowSeal(["\(step)", image.description, change.rawValue])),
                ])
        }
        return step
    }

    private static func fields(_ reference: StoredReference?) -> [String?] {
        guard let reference else { return [nil, nil, nil, nil] }
        return [
            reference.manifest.description, reference.target.digest.description, reference.target.mediaType.rawValue,
            "\(reference.target.size)",
        ]
    }
}
