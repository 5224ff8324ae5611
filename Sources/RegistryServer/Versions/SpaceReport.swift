package import OCI
import SQL

/// Where a repository's bytes are, and what removing a tag would free.
package struct SpaceReport: Sendable, Hashable {
    package struct TagSpace: Sendable, Hashable {
        package var name: String
        package var digest: Digest
        /// All that the tag needs: manifests and blobs, each once.
        package var bytes: Int64
        /// What goes with the tag and its manifests: no other tag, untagged manifest or repository needs it.
        package var uniqueBytes: Int64
    }

    package var repository: String
    /// Manifests and blobs, each once.
    package var bytes: Int64
    /// What no other repository has.
    package var uniqueBytes: Int64
    package var sharedBytes: Int64 { bytes - uniqueBytes }
    /// In order of their names.
    package var tags: [TagSpace]
    /// Manifests that no tag leads to, and what goes with them.
    package var untagged: Int
    package var untaggedBytes: Int64
}

extension RegistryRecords {
    /// Explains the space of a repository.
    package func space(of name: RepositoryName) throws -> SpaceReport {
        let graph = try SpaceGraph(self, name, requireRepository(name))
        return graph.report(name)
    }
}

/// What needs what within a repository. Digests are numbered: a repository may have many.
private struct SpaceGraph {
    private var numbers: [String: Int] = [:]
    private var sizes: [Int64] = []
    private var children: [[Int]] = []
    /// Whether another repository has it too.
    private var isShared: [Bool] = []
    private var isManifest: [Bool] = []
    private var tags: [(name: String, digest: Digest, node: Int)] = []

    init(_ records: RegistryRecords, _ name: RepositoryName, _ repository: Int64) throws {
        let here: [SQLValue] = [.integer(repository)]
        func elsewhere(_ table: String) -> String {
            "EXISTS (SELECT 1 FROM \(table) o WHERE o.digest = l.digest AND o.repository <> $1 AND o.deleted IS NULL)"
        }
        for (table, content, manifest) in [
            ("repository_blobs", "blobs", false), ("repository_manifests", "manifests", true),
        ] {
            for row in try records.connection.rows(
                """
                SELECT l.digest, b.size, \(elsewhere(table)) FROM \(table) l JOIN \(content) b ON b.digest = l.digest
                WHERE l.repository = $1 AND l.deleted IS NULL
                """, here)
            {
                // The same bytes may be a blob and a manifest: they are stored twice, and counted so.
                let key = (manifest ? "m" : "b") + row.text(0)
                numbers[key] = sizes.count
                sizes.append(row.integer(1))
                isShared.append(row.integer(2) != 0)
                isManifest.append(manifest)
                children.append([])
            }
        }
        for row in try records.connection.rows(
            "SELECT manifest, digest, kind FROM manifest_references WHERE repository = $1", here)
        {
            if let from = numbers["m" + row.text(0)],
                let to = numbers[(row.text(2) == "blob" ? "b" : "m") + row.text(1)]
            {
                children[from].append(to)
            }
        }
        for row in try records.connection.rows(
            "SELECT name, digest FROM tags WHERE repository = $1 ORDER BY name", here)
        {
            if let node = numbers["m" + row.text(1)] { tags.append((row.text(0), try row.digest(1), node)) }
        }
    }

    private func closure(_ root: Int) -> Set<Int> {
        var found: Set<Int> = [root]
        var rest = [root]
        while let node = rest.popLast() {
            for child in children[node] where found.insert(child).inserted { rest.append(child) }
        }
        return found
    }

    private func sum(_ nodes: some Sequence<Int>) -> Int64 { nodes.reduce(0) { $0 + sizes[$1] } }

    func report(_ name: RepositoryName) -> SpaceReport {
        let closures = tags.map { closure($0.node) }
        // How many roots need a node; tags of one manifest are roots of their own.
        var users = [Int](repeating: 0, count: sizes.count)
        for nodes in closures { for node in nodes { users[node] += 1 } }
        let tagged = closures.reduce(into: Set<Int>()) { $0.formUnion($1) }
        // Of what no tag leads to, those that no other leads to either are its roots.
        let loose = sizes.indices.filter { isManifest[$0] && !tagged.contains($0) }
        let listed = Set(loose.flatMap { children[$0] })
        let untagged = loose.filter { !listed.contains($0) }.map { closure($0) }.reduce(into: Set<Int>()) {
            $0.formUnion($1)
        }
        for node in untagged { users[node] += 1 }
        let rows = zip(tags, closures).map { tag, nodes in
            SpaceReport.TagSpace(
                name: tag.name, digest: tag.digest, bytes: sum(nodes),
                uniqueBytes: sum(nodes.filter { users[$0] == 1 && !isShared[$0] }))
        }
        return SpaceReport(
            repository: name.description, bytes: sum(sizes.indices),
            uniqueBytes: sum(sizes.indices.filter { !isShared[$0] }), tags: rows, untagged: loose.count,
            untaggedBytes: sum(untagged.filter { !tagged.contains($0) && !isShared[$0] }))
    }
}
