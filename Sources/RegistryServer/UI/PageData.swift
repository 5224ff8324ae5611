import OCI
import SQL

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Reads what the browsing pages show.
struct PageData {
    private static let page = 50
    private static let historyPage = 100

    let registry: Registry

    init(_ registry: Registry) { self.registry = registry }

    func repositories(after last: String, search: String, _ maySee: @escaping @Sendable (String) -> Bool) async throws
        -> (
            rows: [Browse.RepositoryRow], next: String?
        )
    {
        try await registry.database.read { records in
            let names = try records.repositories(after: last, limit: Self.page + 1, containing: search, where: maySee)
            let shown = names.prefix(Self.page)
            let rows = try shown.map { try records.row(of: $0) }
            return (rows, names.count > Self.page ? shown.last : nil)
        }
    }

    func repository(_ name: RepositoryName, after last: String, filter: String) async throws -> Browse.Repository {
        try await registry.database.read { records in
            let id = try records.requireRepository(name)
            let names = try records.connection.rows(
                "SELECT name FROM tags WHERE repository = $1 AND name > $2 AND instr(name, $3) > 0 ORDER BY name LIMIT $4",
                [.integer(id), .text(last), .text(filter), .integer(Int64(Self.page + 1))]
            ).map { $0.text(0) }
            let all = try records.row(of: name.description)
            let space = try records.space(of: name)
            let sizes = Dictionary(space.tags.map { ($0.name, $0) }) { first, _ in first }
            let rows = try names.prefix(Self.page).map { try records.row(of: $0, in: name, sizes[$0]) }
            let entries = try records.history(of: name)
            let problem = HistoryChain.problem(in: entries, head: try records.historyHead(of: name))
            var removed: [String] = []
            for entry in entries {
                removed.removeAll { $0 == entry.tag }
                if entry.digest == nil { removed.append(entry.tag) }
            }
            return Browse.Repository(
                tags: rows, tagCount: all.tags, uniqueSize: space.uniqueBytes, sharedSize: space.sharedBytes,
                pushedAt: all.pushedAt, history: entries.suffix(Self.historyPage).reversed(), historyProblem: problem,
                next: names.count > Self.page ? rows.last?.name : nil, restorable: removed.suffix(Self.page),
                filter: filter)
        }
    }

    struct Tag: Sendable {
        var row: Browse.TagRow
        var images: [Browse.Image]
        var referrers: [Browse.ReferrerRow]
    }

    /// A page shows the first platforms of an index; more than these nobody reads.
    private static let mostImages = 20

    func tag(_ tag: TagName, of name: RepositoryName) async throws -> Tag {
        let (row, manifests, referrers) = try await registry.database.read { records in
            let space = try records.space(of: name).tags.first { $0.name == tag.description }
            let row = try records.row(of: tag.description, in: name, space)
            var manifests: [(Digest, String?, [UInt8])] = []
            guard let bytes = try records.manifestBytes(row.digest) else {
                throw RegistryFailure.manifestUnknown(.tag(tag), name)
            }
            if case .index(let index)? = try? ManifestDocument(parsing: bytes, mediaType: nil) {
                for entry in index.value.manifests.prefix(Self.mostImages) {
                    guard let bytes = try records.manifestBytes(entry.digest) else { continue }
                    manifests.append((entry.digest, entry.platform?.description, bytes))
                }
            } else {
                manifests.append((row.digest, nil, bytes))
            }
            let referrers = try records.referrers(of: row.digest, in: name, artifactType: nil, after: "", limit: 100)
            return (row, manifests, referrers)
        }
        var images: [Browse.Image] = []
        for (digest, platform, bytes) in manifests {
            guard case .manifest(let manifest)? = try? ManifestDocument(parsing: bytes, mediaType: nil) else {
                continue
            }
            images.append(try await image(digest, platform, manifest.value, name))
        }
        return Tag(
            row: row, images: images,
            referrers: referrers.map {
                .init(digest: $0.digest, kind: ($0.artifactType ?? $0.mediaType).rawValue, size: $0.size)
            })
    }

    /// The largest config that is read for a page.
    private static let largestConfig: Int64 = 4 << 20

    private func image(_ digest: Digest, _ platform: String?, _ manifest: Manifest, _ name: RepositoryName) async throws
        -> Browse.Image
    {
        var bytes: [UInt8] = []
        if manifest.config.size <= Self.largestConfig {
            bytes = (try? await registry.smallBlob(manifest.config.digest, in: name)) ?? []
        }
        let config = try? JSONDecoder().decode(ConfigView.self, from: Data(bytes))
        var layers = manifest.layers[...]
        var rows: [Browse.LayerRow] = []
        for step in config?.history ?? [] {
            let layer = step.empty_layer == true ? nil : layers.popFirst()
            rows.append(
                .init(command: step.created_by ?? step.comment ?? "", digest: layer?.digest, size: layer?.size ?? 0))
        }
        // Artifacts, and images whose history is shorter than their layers.
        for layer in layers {
            let title = layer.annotations?["org.opencontainers.image.title"]
            rows.append(.init(command: title ?? layer.mediaType.rawValue, digest: layer.digest, size: layer.size))
        }
        let own = [config?.os, config?.architecture, config?.variant].compactMap { $0 }.joined(separator: "/")
        return Browse.Image(
            platform: platform ?? (own.isEmpty ? manifest.config.mediaType.rawValue : own), digest: digest,
            layers: rows, start: config?.shown ?? Browse.Start(), configuration: PrettyJSON.text(bytes))
    }
}

extension Registry {
    /// A blob that is small enough to be held.
    func smallBlob(_ digest: Digest, in name: RepositoryName) async throws -> [UInt8] {
        let content = try await content(of: digest, in: name)
        guard case .file(let file, let size) = content, size <= 4 << 20 else { return [] }
        return try await Workers.run { try file.read(size: Int(size)) }
    }
}

extension RegistryRecords {
    fileprivate func row(of repository: String) throws -> Browse.RepositoryRow {
        let name = try RepositoryName(parsing: repository)
        let id = try requireRepository(name)
        let tags = try connection.row("SELECT count(*), max(updated) FROM tags WHERE repository = $1", [.integer(id)])
        let size = try connection.row(
            """
            SELECT coalesce(sum(b.size), 0) FROM repository_blobs l JOIN blobs b ON b.digest = l.digest
            WHERE l.repository = $1 AND l.deleted IS NULL
            """, [.integer(id)])
        return Browse.RepositoryRow(
            name: repository, tags: Int(tags?.integer(0) ?? 0), size: size?.integer(0) ?? 0,
            pushedAt: tags?.optionalInteger(1).map { $0 / 1000 })
    }

    fileprivate func row(of tag: String, in name: RepositoryName, _ space: SpaceReport.TagSpace?) throws
        -> Browse.TagRow
    {
        guard
            let row = try connection.row(
                """
                SELECT t.digest, t.updated, p.pulled, b.bytes FROM repositories r JOIN tags t ON t.repository = r.id
                JOIN manifests b ON b.digest = t.digest
                LEFT JOIN tag_pulls p ON p.repository = r.id AND p.tag = t.name
                WHERE r.name = $1 AND t.name = $2
                """, [.text(name.description), .text(tag)])
        else {
            throw RegistryFailure(.manifestUnknown, status: 404, "tag `\(tag)` not found in `\(name)`")
        }
        var platforms: [String] = []
        if case .index(let index)? = try? ManifestDocument(parsing: row.blob(3), mediaType: nil) {
            platforms = index.value.manifests.compactMap { $0.platform?.description }
        }
        return Browse.TagRow(
            name: tag, digest: try row.digest(0), size: space?.bytes ?? 0, platforms: platforms,
            pushedAt: row.integer(1) / 1000, pulledAt: row.optionalInteger(2).map { $0 / 1000 },
            isImmutable: try isImmutable(tag, of: name), uniqueSize: space?.uniqueBytes ?? 0)
    }
}
