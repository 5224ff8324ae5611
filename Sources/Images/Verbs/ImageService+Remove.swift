import Linux
package import OCI
import SQL

extension ImageService {
    package func remove(
        _ name: String, force: Bool, keepParents: Bool, platform: Platform?, now: Bool = false
    ) async throws -> [Removal] {
        // No image here has a parent image: `keepParents` has nothing to keep.
        try await blocking {
            _ = try self.find(name, platform: platform)
            let users = try self.imageUsers()
            let removals = try self.step(.remove, grace: now ? 0 : nil) { step in
                let removals = try step.remove(name, force: force, users: users)
                if now { try step.giveUpBlocked() }
                return removals
            }
            Failpoint.reach("rm")
            try self.collect()
            return removals
        }
    }
}

extension Step {
    /// Removes a name, or an image by its ID, with docker's rules.
    ///
    /// - Throws: `ImageError(.conflict)` with docker's sentence.
    mutating func remove(_ name: String, force: Bool, users: [ImageUser]) throws -> [Removal] {
        let found = try ImageStore.find(name, connection)
        let image = found.image
        let users = users.filter { $0.imageID == image.id }
        var removals: [Removal] = []
        guard let reference = found.reference?.name else {
            // By ID: names go with it where they are all of one repository with one tag at most.
            if Self.isSingle(image.references.map(\.name)) {
                try Self.checkUsers(users, of: image, force: force)
            } else {
                try Self.checkUsers(users.filter(\.isRunning), of: image, force: force)
                if !force, !image.references.isEmpty {
                    throw ImageError(
                        .conflict,
                        "conflict: unable to delete \(image.id.short) (must be forced) - image is referenced in multiple"
                            + " repositories", hint: "remove its names one by one, or use --force")
                }
                try Self.checkUsers(users, of: image, force: force)
            }
            return try removeAll(image, users: users)
        }
        if !force, Self.isSingle(image.references.map(\.name)), let user = users.first {
            throw ImageError(
                .conflict,
                "conflict: unable to delete \(name) (must be forced) - container \(user.containerID.prefix(12)) is using its"
                    + " referenced image \(image.id.short)",
                hint: "remove the container first, or use --force")
        }
        var left = image.references.map(\.name)
        func drop(_ gone: Reference) throws {
            try unname(gone)
            removals.append(.untagged(gone.familiar))
            left.removeAll { $0 == gone }
        }
        try drop(reference)
        // With the last tag of a repository go the digests known of it.
        if reference.digest == nil, !left.contains(where: { $0.tag != nil && $0.repository == reference.repository }) {
            for digest in left where digest.repository == reference.repository { try drop(digest) }
        }
        if !left.isEmpty { return removals }
        // What containers run on stays, without a name.
        if users.contains(where: \.isRunning) || (!users.isEmpty && !force) { return removals }
        return try removals + removeAll(image, users: users)
    }

    /// Whether all names are of one repository, with at most one tag.
    private static func isSingle(_ names: [Reference]) -> Bool {
        if names.count <= 1 { return names.count == 1 }
        return names.count(where: { $0.tag != nil }) <= 1 && Set(names.map(\.repository)).count == 1
    }

    private static func checkUsers(_ users: [ImageUser], of image: StoredImage, force: Bool) throws {
        let subject = "conflict: unable to delete \(image.id.short)"
        if let user = users.first(where: \.isRunning) {
            throw ImageError(
                .conflict,
                "\(subject) (cannot be forced) - image is being used by running container \(user.containerID.prefix(12))",
                hint: "stop and remove the container first")
        }
        if !force, let user = users.first {
            throw ImageError(
                .conflict,
                "\(subject) (must be forced) - image is being used by stopped container \(user.containerID.prefix(12))",
                hint: "remove the container first, or use --force")
        }
    }

    /// Removes an image with the names it still has.
    private mutating func removeAll(_ image: StoredImage, users: [ImageUser]) throws -> [Removal] {
        var removals: [Removal] = []
        let named = try ImageStore.image(image.id, connection)?.references ?? []
        for reference in named {
            try unname(reference.name)
            removals.append(.untagged(reference.name.familiar))
        }
        try remove(image)
        removals.append(.deleted(image.id))
        return try removals + Self.chains(of: image, users: users, connection).map { .deleted($0) }
    }

    /// The chainIDs that go with an image, top first: those that no other image has, nor a container stands on.
    private static func chains(
        of image: StoredImage, users: [ImageUser], _ connection: any SQLConnection
    ) throws -> [Digest] {
        if !users.isEmpty { return [] }
        // From the top: the first layer that another live image has on the same layers below ends what goes. One look-up
        // in an index for each layer, however many images there are.
        var shared = image.layers.count
        while shared > 0 {
            let other = try connection.row(
                """
                SELECT 1 FROM image_layers AS other JOIN images ON images.id = other.image
                WHERE other.layer = $1 AND other.position = $2 AND other.image <> $3 AND removed_step IS NULL
                    AND NOT EXISTS (
                        SELECT 1 FROM image_layers AS mine
                        JOIN image_layers AS below ON below.image = other.image AND below.position = mine.position
                        WHERE mine.image = $3 AND mine.position < $2 AND below.layer <> mine.layer)
                LIMIT 1
                """, [.integer(image.layers[shared - 1].row), .integer(Int64(shared - 1)), .integer(image.row)])
            if other != nil { break }
            shared -= 1
        }
        return Array(image.chainIDs.dropFirst(shared).reversed())
    }
}

extension StoredImage {
    /// The chainID of each layer, base first (image-spec config.md "Layer ChainID").
    var chainIDs: [Digest] {
        var chains: [Digest] = []
        for layer in layers {
            if let below = chains.last {
                chains.append(Digest.sha256(of: Array("\(below) \(layer.diffID)".utf8)))
            } else {
                chains.append(layer.diffID)
            }
        }
        return chains
    }
}
