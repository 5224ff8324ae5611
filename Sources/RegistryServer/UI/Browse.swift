package import OCI

/// What the browsing pages show, as values: the routes fill them from the database, the pages only lay them out.
package enum Browse {
    package struct RepositoryRow: Sendable {
        package var name: String
        package var tags: Int
        package var size: Int64
        package var pushedAt: Int64?

        package init(name: String, tags: Int, size: Int64, pushedAt: Int64?) {
            self.name = name
            self.tags = tags
            self.size = size
            self.pushedAt = pushedAt
        }
    }

    package struct TagRow: Sendable {
        package var name: String
        package var digest: Digest
        package var size: Int64
        package var platforms: [String]
        package var pushedAt: Int64
        package var pulledAt: Int64?
        package var isImmutable: Bool
        /// Bytes that nothing else in the registry holds.
        package var uniqueSize: Int64

        package init(
            name: String, digest: Digest, size: Int64, platforms: [String], pushedAt: Int64, pulledAt: Int64?,
            isImmutable: Bool, uniqueSize: Int64
        ) {
            self.name = name
            self.digest = digest
            self.size = size
            self.platforms = platforms
            self.pushedAt = pushedAt
            self.pulledAt = pulledAt
            self.isImmutable = isImmutable
            self.uniqueSize = uniqueSize
        }
    }

    /// A step of an image's making with the layer it made, where it made one.
    package struct LayerRow: Sendable {
        package var command: String
        package var digest: Digest?
        package var size: Int64

        package init(command: String, digest: Digest?, size: Int64) {
            self.command = command
            self.digest = digest
            self.size = size
        }
    }

    package struct ReferrerRow: Sendable {
        package var digest: Digest
        package var kind: String
        package var size: Int64

        package init(digest: Digest, kind: String, size: Int64) {
            self.digest = digest
            self.kind = kind
            self.size = size
        }
    }

    /// One manifest: of an image, or of one platform of an index.
    package struct Image: Sendable {
        package var platform: String
        package var digest: Digest
        package var layers: [LayerRow]
        /// How a container of it starts.
        package var start: Start
        /// The config as readable JSON.
        package var configuration: String

        package init(
            platform: String, digest: Digest, layers: [LayerRow], start: Start = Start(), configuration: String
        ) {
            self.platform = platform
            self.digest = digest
            self.layers = layers
            self.start = start
            self.configuration = configuration
        }
    }

    /// What a config says of the containers made from it; empty where it says nothing.
    package struct Start: Sendable {
        package var entrypoint: [String] = []
        package var command: [String] = []
        package var user = ""
        package var workingDirectory = ""
        package var environment: [String] = []
        package var ports: [String] = []
        package var volumes: [String] = []
        package var labels: [(name: String, value: String)] = []
        /// RFC 3339.
        package var created = ""

        package init() {}
    }

    /// A repository's page.
    package struct Repository: Sendable {
        package var tags: [TagRow]
        /// Of all tags.
        package var tagCount: Int
        package var uniqueSize: Int64
        package var sharedSize: Int64
        package var pushedAt: Int64?
        package var history: [HistoryEntry]
        /// What is wrong with the chain of the history; nil where nothing is.
        package var historyProblem: String?
        /// The last tag of this page, where there are more.
        package var next: String?
        /// Removed tags that can come back.
        package var restorable: [String]
        /// What the tags shown have in their names.
        package var filter: String

        package init(
            tags: [TagRow], tagCount: Int, uniqueSize: Int64, sharedSize: Int64, pushedAt: Int64?,
            history: [HistoryEntry], historyProblem: String?, next: String? = nil, restorable: [String] = [],
            filter: String = ""
        ) {
            self.tags = tags
            self.tagCount = tagCount
            self.uniqueSize = uniqueSize
            self.sharedSize = sharedSize
            self.pushedAt = pushedAt
            self.history = history
            self.historyProblem = historyProblem
            self.next = next
            self.restorable = restorable
            self.filter = filter
        }
    }
}
