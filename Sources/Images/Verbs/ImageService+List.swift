import OCI

extension ImageService {
    package func list(_ filter: ImageFilter, all: Bool) async throws -> [ImageSummary] {
        try await blocking { try self.summaries(filter) }
    }

    /// Images that pass the filter, newest first.
    func summaries(_ filter: ImageFilter) throws -> [ImageSummary] {
        let images: [StoredImage]
        let bounds: (before: Int64?, since: Int64?)
        (images, bounds) = try metadata.read { connection in
            // As docker: of several, the latest `before` and the earliest `since` count. An image without a time is old.
            func created(_ names: [String]) throws -> [Int64] {
                try names.map { try ImageStore.find($0, connection).image.created ?? .min }
            }
            let bounds = (before: try created(filter.before).max(), since: try created(filter.since).min())
            return (try ImageStore.images(.live, .summary, connection), bounds)
        }
        let users = Dictionary(grouping: try imageUsers(), by: \.imageID).mapValues(\.count)
        let shares = Self.imagesByLayer(images)
        var found: [ImageSummary] = []
        for image in images {
            let created = image.created ?? .min
            if let before = bounds.before, created >= before { continue }
            if let since = bounds.since, created <= since { continue }
            if let until = filter.until, created > until { continue }
            if !filter.accepts(labels: image.labels) { continue }
            var summary = Self.summary(image, shares: shares, containers: users[image.id] ?? 0)
            if !filter.references.isEmpty {
                summary.tags.removeAll { !filter.accepts($0) }
                summary.digests.removeAll { !filter.accepts($0) }
                if summary.tags.isEmpty, summary.digests.isEmpty { continue }
            }
            if let dangling = filter.dangling, dangling != image.tags.isEmpty { continue }
            found.append(summary)
        }
        return found.sorted { left, right in
            (left.created ?? .min, right.id) > (right.created ?? .min, left.id)
        }
    }

    /// How many images use each layer.
    static func imagesByLayer(_ images: [StoredImage]) -> [Int64: Int] {
        var users: [Int64: Int] = [:]
        for image in images { for layer in Set(image.layers.map(\.row)) { users[layer, default: 0] += 1 } }
        return users
    }

    static func summary(_ image: StoredImage, shares: [Int64: Int], containers: Int) -> ImageSummary {
        ImageSummary(
            id: image.id, manifestDigest: image.manifest()?.descriptor.digest ?? image.id,
            tags: image.tags.map(\.name), digests: image.digests.map(\.name), created: image.created, size: image.size,
            sharedSize: image.layers.reduce(0) { $0 + ((shares[$1.row] ?? 1) > 1 ? $1.size : 0) },
            containers: containers, labels: image.labels, platform: image.platform, layers: image.layers.map(\.diffID))
    }
}

extension ImageFilter {
    /// Whether a name fits one of the `reference` patterns: the whole familiar name, or the repository alone.
    fileprivate func accepts(_ name: Reference) -> Bool {
        references.contains { matches($0, name.familiar) || matches($0, name.familiarRepository) }
    }
}
