import OCI
import SQL

/// Tags that never move and never go: those whose names fit, in the repositories that fit.
package struct ImmutableTags: Sendable, Hashable {
    package var repositories: RepositoryPattern
    package var tags: TagPattern

    package init(repositories: RepositoryPattern, tags: TagPattern) {
        self.repositories = repositories
        self.tags = tags
    }

    func matches(_ tag: String, of repository: String) -> Bool {
        repositories.matches(repository) && tags.matches(tag)
    }
}

/// How many bytes the repositories of a pattern may hold together.
package struct Quota: Sendable, Hashable {
    package var pattern: RepositoryPattern
    package var bytes: Int64

    package init(pattern: RepositoryPattern, bytes: Int64) {
        self.pattern = pattern
        self.bytes = bytes
    }
}

extension RegistryRecords {
    // MARK: Immutable tags

    package func immutableTags() throws -> [ImmutableTags] {
        try connection.rows("SELECT pattern, tags FROM immutable_tags ORDER BY pattern, tags").map {
            ImmutableTags(repositories: try RepositoryPattern($0.text(0)), tags: try TagPattern($0.text(1)))
        }
    }

    package func addImmutableTags(_ rule: ImmutableTags) throws {
        try connection.execute(
            "INSERT INTO immutable_tags (pattern, tags) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            [.text(rule.repositories.text), .text(rule.tags.text)])
    }

    package func removeImmutableTags(_ rule: ImmutableTags) throws {
        let count = try connection.execute(
            "DELETE FROM immutable_tags WHERE pattern = $1 AND tags = $2",
            [.text(rule.repositories.text), .text(rule.tags.text)])
        if count == 0 {
            throw AccountError(
                .unknown, "no rule makes the tags `\(rule.tags)` of `\(rule.repositories)` immutable")
        }
    }

    func isImmutable(_ tag: String, of repository: RepositoryName) throws -> Bool {
        try immutableTags().contains { $0.matches(tag, of: repository.description) }
    }

    /// Refuses to change a tag that must stay as it is.
    func requireMutable(_ tag: String, of repository: RepositoryName, to change: String) throws {
        guard let rule = try immutableTags().first(where: { $0.matches(tag, of: repository.description) }) else {
            return
        }
        throw RegistryFailure(
            .denied, status: 409,
            "tag `\(tag)` of `\(repository)` is immutable (`\(rule.tags)` in `\(rule.repositories)`): it cannot be \(change)"
        )
    }

    // MARK: Retention

    package func retentionPolicies() throws -> [(pattern: RepositoryPattern, policy: RetentionPolicy)] {
        try connection.rows("SELECT pattern, rules FROM retention_policies ORDER BY pattern").map {
            (try RepositoryPattern($0.text(0)), try RetentionPolicy(stored: $0.text(1)))
        }
    }

    package func setRetention(_ policy: RetentionPolicy, for pattern: RepositoryPattern, at now: Int64) throws {
        try connection.execute(
            """
            INSERT INTO retention_policies (pattern, rules, updated) VALUES ($1, $2, $3)
            ON CONFLICT (pattern) DO UPDATE SET rules = $2, updated = $3
            """, [.text(pattern.text), .text(try policy.stored()), .integer(now)])
    }

    package func removeRetention(for pattern: RepositoryPattern) throws {
        let count = try connection.execute(
            "DELETE FROM retention_policies WHERE pattern = $1", [.text(pattern.text)])
        if count == 0 { throw AccountError(.unknown, "`\(pattern)` has no retention policy") }
    }

    /// What is decided over the tags of a repository: the rules of all policies whose pattern fits; nil where none does.
    package func retention(of name: RepositoryName, at now: Int64) throws -> [RetentionPolicy.Decision]? {
        let rules = try retentionPolicies().filter { $0.pattern.matches(name.description) }.flatMap(\.policy.rules)
        if rules.isEmpty { return nil }
        let immutable = try immutableTags()
        let tags = try connection.rows(
            """
            SELECT t.name, t.updated, p.pulled FROM tags t
            LEFT JOIN tag_pulls p ON p.repository = t.repository AND p.tag = t.name
            WHERE t.repository = $1
            """, [.integer(try requireRepository(name))]
        ).map { row in
            RetentionPolicy.Tag(
                name: row.text(0), movedAt: row.integer(1) / 1000, pulledAt: row.optionalInteger(2).map { $0 / 1000 },
                isImmutable: immutable.contains { $0.matches(row.text(0), of: name.description) })
        }
        return RetentionPolicy(rules: rules).decide(tags, now: now / 1000)
    }

    // MARK: Pulls

    /// Notes pulls of tags, and of what they name.
    func notePulls(_ pulls: [PullCounter.Key: PullCounter.Pulls]) throws {
        for (key, pulls) in pulls {
            guard let repository = try repository(key.repository) else { continue }
            let parameters: [SQLValue] = [.integer(repository), .text(key.reference), .integer(pulls.last)]
            try addEvent(
                RegistryEvent(
                    at: pulls.last, kind: .manifestPulled, repository: key.repository.description, actor: "",
                    tag: key.isTag ? key.reference : nil, digest: key.isTag ? nil : try? Digest(parsing: key.reference))
            )
            if key.isTag {
                try connection.execute(
                    """
                    INSERT INTO tag_pulls (repository, tag, pulled, count) VALUES ($1, $2, $3, $4)
                    ON CONFLICT (repository, tag) DO UPDATE SET pulled = max(pulled, $3), count = count + $4
                    """, parameters + [.integer(pulls.count)])
            } else {
                try connection.execute(
                    "UPDATE repository_manifests SET pulled = $3 WHERE repository = $1 AND digest = $2", parameters)
            }
        }
    }

    // MARK: Quotas

    package func quotas() throws -> [Quota] {
        try connection.rows("SELECT pattern, bytes FROM quotas ORDER BY pattern").map {
            Quota(pattern: try RepositoryPattern($0.text(0)), bytes: $0.integer(1))
        }
    }

    package func setQuota(_ quota: Quota) throws {
        try connection.execute(
            "INSERT INTO quotas (pattern, bytes) VALUES ($1, $2) ON CONFLICT (pattern) DO UPDATE SET bytes = $2",
            [.text(quota.pattern.text), .integer(quota.bytes)])
    }

    package func removeQuota(_ pattern: RepositoryPattern) throws {
        let count = try connection.execute("DELETE FROM quotas WHERE pattern = $1", [.text(pattern.text)])
        if count == 0 { throw AccountError(.unknown, "`\(pattern)` has no quota") }
    }

    /// The bytes that the repositories of a pattern hold together, each blob counted once.
    package func usage(of pattern: RepositoryPattern) throws -> Int64 {
        let names = try connection.rows("SELECT id, name FROM repositories").filter { pattern.matches($0.text(1)) }
        if names.isEmpty { return 0 }
        // Numbers from the database itself, nothing that somebody wrote.
        let list = names.map { "\($0.integer(0))" }.joined(separator: ",")
        return try connection.row(
            """
            SELECT coalesce(sum(size), 0) FROM blobs WHERE digest IN (
                SELECT digest FROM repository_blobs WHERE deleted IS NULL AND repository IN (\(list)))
            """
        )?.integer(0) ?? 0
    }

    /// Refuses bytes that a quota has no room for.
    ///
    /// - Parameters:
    ///   - bytes: what would come; 0 asks whether there is room at all.
    ///   - digest: of what would come: where the quota's repositories have it already, it takes nothing more.
    func requireRoom(for bytes: Int64, of digest: Digest? = nil, in name: RepositoryName) throws {
        for quota in try quotas() where quota.pattern.matches(name.description) {
            if let digest, try repositories(with: digest, limit: 10_000).contains(where: quota.pattern.matches) {
                continue
            }
            let used = try usage(of: quota.pattern)
            if used + max(bytes, 1) > quota.bytes {
                var failure = RegistryFailure(
                    .denied, status: 403,
                    "the quota of `\(quota.pattern)` is \(quota.bytes) bytes and \(used) are used: "
                        + "remove what is not needed, or have the quota raised")
                failure.isQuota = true
                throw failure
            }
        }
    }
}
