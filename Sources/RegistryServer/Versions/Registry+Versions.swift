package import OCI

/// One of several tags that are moved together.
package struct TagMove: Sendable, Hashable {
    package var tag: TagName
    /// What it shall name; nil removes it.
    package var digest: Digest?
    /// What it must be before; nil for anything.
    package var condition: TagCondition?

    package init(tag: TagName, digest: Digest?, condition: TagCondition? = nil) {
        self.tag = tag
        self.digest = digest
        self.condition = condition
    }
}

extension Registry {
    /// Moves and removes several tags, all or none.
    package func moveTags(_ moves: [TagMove], of name: RepositoryName, by actor: String) async throws {
        let now = now()
        try await database.write { records in
            let repository = try records.requireRepository(name)
            for move in moves {
                guard let digest = move.digest else {
                    let previous = try records.tag(move.tag, in: name)
                    try records.require(move.condition, move.tag, of: name, previous)
                    try records.deleteTag(move.tag, of: name, by: actor, at: now)
                    continue
                }
                if try records.manifest(.digest(digest), in: name) == nil {
                    throw RegistryFailure.manifestUnknown(.digest(digest), name)
                }
                try records.moveTag(
                    move.tag, of: name, repository, to: digest, if: move.condition, by: actor, at: now)
            }
        }
    }

    /// What the retention policies would do now, repository by repository. Nothing is changed.
    ///
    /// - Parameter pattern: only these repositories.
    package func retentionPreview(_ pattern: RepositoryPattern? = nil) async throws
        -> [(repository: String, decisions: [RetentionPolicy.Decision])]
    {
        try await flushPulls()
        let now = now()
        return try await database.read { records in
            try records.repositories(after: "", limit: Int(Int32.max)).filter { pattern?.matches($0) ?? true }
                .compactMap { name in
                    try records.retention(of: RepositoryName(parsing: name), at: now).map { (name, $0) }
                }
        }
    }

    /// Removes the tags that no retention rule keeps. What they named goes with a garbage collection after the grace time;
    /// until then a tag can be brought back.
    ///
    /// - Returns: the removed tags with the reasons.
    @discardableResult
    package func applyRetention(_ pattern: RepositoryPattern? = nil) async throws
        -> [(repository: String, decision: RetentionPolicy.Decision)]
    {
        try await flushPulls()
        let now = now()
        let names = try await database.read { records in
            try records.repositories(after: "", limit: Int(Int32.max)).filter { pattern?.matches($0) ?? true }
        }
        var removed: [(String, RetentionPolicy.Decision)] = []
        for name in names {
            // Decided and done in one transaction: a tag that moves meanwhile is looked at again.
            removed += try await database.write { records in
                let repository = try RepositoryName(parsing: name)
                let goes = try records.retention(of: repository, at: now)?.filter { !$0.keeps } ?? []
                for decision in goes {
                    guard let tag = TagName(parsing: decision.tag.name) else { continue }
                    try records.deleteTag(tag, of: repository, by: "retention", at: now)
                }
                return goes.map { (name, $0) }
            }
        }
        return removed
    }
}
