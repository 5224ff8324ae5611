package import OCI

/// An image as `image ls` knows it.
package struct ImageSummary: Sendable, Equatable {
    /// The image ID: the digest of the config.
    package var id: Digest
    /// The digest of the platform's manifest.
    package var manifestDigest: Digest
    /// Full references with a tag that name it, sorted.
    package var tags: [Reference]
    /// Full references with a digest that name it (docker's RepoDigests), sorted.
    package var digests: [Reference]
    /// The config's `created` in seconds since 1970; nil where it says none.
    package var created: Int64?
    /// Bytes of all its layers, uncompressed, as docker counts `SIZE`.
    package var size: Int64
    /// Bytes of those layers that other images share.
    package var sharedSize: Int64
    /// Containers made of it.
    package var containers: Int
    /// The config's labels.
    package var labels: [String: String]
    /// The platform it is for.
    package var platform: Platform
    /// DiffIDs, base first.
    package var layers: [Digest]
    /// Neither a tag nor a digest names it.
    package var isDangling: Bool { tags.isEmpty }

    package init(
        id: Digest, manifestDigest: Digest, tags: [Reference], digests: [Reference], created: Int64?, size: Int64,
        sharedSize: Int64, containers: Int, labels: [String: String], platform: Platform, layers: [Digest]
    ) {
        self.id = id
        self.manifestDigest = manifestDigest
        self.tags = tags
        self.digests = digests
        self.created = created
        self.size = size
        self.sharedSize = sharedSize
        self.containers = containers
        self.labels = labels
        self.platform = platform
        self.layers = layers
    }
}

/// A layer as the store knows it.
package struct LayerSummary: Sendable, Equatable {
    /// The digest of the uncompressed tar.
    package var diffID: Digest
    /// The blob as published.
    package var blob: Descriptor
    /// Bytes of the files in it, as docker counts a layer's size.
    package var size: Int64
    /// Bytes the layer takes in the store: blob and layer file.
    package var storedBytes: Int64
    /// Entries in it.
    package var files: Int
    /// The images that use it.
    package var usedBy: [Digest]

    package init(diffID: Digest, blob: Descriptor, size: Int64, storedBytes: Int64, files: Int, usedBy: [Digest]) {
        self.diffID = diffID
        self.blob = blob
        self.size = size
        self.storedBytes = storedBytes
        self.files = files
        self.usedBy = usedBy
    }
}

/// One step of an image's history, newest first in lists. Every step that made a layer names it.
package struct HistoryStep: Sendable, Equatable {
    /// The image ID for the newest step; docker prints `<missing>` for the rest, we print the layer.
    package var imageID: Digest?
    /// Seconds since 1970; nil where the config says none.
    package var created: Int64?
    package var createdBy: String
    package var comment: String
    /// Bytes of the layer's files; 0 for a step without a layer.
    package var size: Int64
    /// The layer the step made.
    package var diffID: Digest?
    /// Its blob as published.
    package var blob: Descriptor?
    /// Tags of the image, on the newest step.
    package var tags: [Reference]

    package init(
        imageID: Digest?, created: Int64?, createdBy: String, comment: String, size: Int64, diffID: Digest?,
        blob: Descriptor?, tags: [Reference]
    ) {
        self.imageID = imageID
        self.created = created
        self.createdBy = createdBy
        self.comment = comment
        self.size = size
        self.diffID = diffID
        self.blob = blob
        self.tags = tags
    }
}

/// Everything `image inspect` shows; `Commands` renders it in docker's JSON shape.
package struct ImageDetail: Sendable {
    package var summary: ImageSummary
    /// The config, decoded, with its exact bytes.
    package var config: Document<ImageConfig>
    /// The manifest's descriptor (media type, digest, size), as stored.
    package var descriptor: Descriptor
    package var layers: [LayerSummary]
    /// When a tag last moved to it here, seconds since 1970.
    package var lastTagged: Int64?
    /// The snapshot driver that serves it: `erofs` or `directory`.
    package var driver: String
    /// What the driver would mount, top layer first: paths of layer files or directories.
    package var lowerPaths: [String]

    package init(
        summary: ImageSummary, config: Document<ImageConfig>, descriptor: Descriptor, layers: [LayerSummary],
        lastTagged: Int64?, driver: String, lowerPaths: [String]
    ) {
        self.summary = summary
        self.config = config
        self.descriptor = descriptor
        self.layers = layers
        self.lastTagged = lastTagged
        self.driver = driver
        self.lowerPaths = lowerPaths
    }
}

/// One line of `rm`'s or `prune`'s answer.
package enum Removal: Sendable, Equatable {
    /// A reference no longer names an image: docker's `Untagged:`. Familiar form.
    case untagged(String)
    /// An image (its ID) or a layer (its chainID, as docker) is gone: docker's `Deleted:`.
    case deleted(Digest)
}

/// What `prune` took, or with `--plan` would take.
package struct PruneReport: Sendable, Equatable {
    /// One item, with the reason and the bytes that go with it alone.
    package struct Item: Sendable, Equatable {
        package var removal: Removal
        package var bytes: Int64
        package var reason: String

        package init(removal: Removal, bytes: Int64, reason: String) {
            self.removal = removal
            self.bytes = bytes
            self.reason = reason
        }
    }

    package var items: [Item]
    /// Bytes that the disk gets back: at once with `now`, else after the grace time.
    package var reclaimedBytes: Int64
    /// Until when undo works, seconds since 1970; nil where the bytes went at once.
    package var restorableUntil: Int64?

    package init(items: [Item], reclaimedBytes: Int64, restorableUntil: Int64?) {
        self.items = items
        self.reclaimedBytes = reclaimedBytes
        self.restorableUntil = restorableUntil
    }
}

/// A row of `system df`.
package struct DiskUsage: Sendable, Equatable {
    package struct ImageUsage: Sendable, Equatable {
        package var summary: ImageSummary
        /// Bytes only this image holds.
        package var uniqueSize: Int64

        package init(summary: ImageSummary, uniqueSize: Int64) {
            self.summary = summary
            self.uniqueSize = uniqueSize
        }
    }

    package var images: [ImageUsage]
    /// Bytes of all layers, each counted once, uncompressed (docker's `LayersSize`).
    package var layersSize: Int64
    /// Bytes on disk: blobs.
    package var blobBytes: Int64
    /// Bytes on disk: layer files or trees.
    package var layerBytes: Int64
    /// Bytes on disk: downloads under way or interrupted.
    package var ingestBytes: Int64
    /// Bytes kept only so that undo works.
    package var restorableBytes: Int64
    /// Bytes that pruning every unused image would free.
    package var reclaimable: Int64

    package init(
        images: [ImageUsage], layersSize: Int64, blobBytes: Int64, layerBytes: Int64, ingestBytes: Int64,
        restorableBytes: Int64, reclaimable: Int64
    ) {
        self.images = images
        self.layersSize = layersSize
        self.blobBytes = blobBytes
        self.layerBytes = layerBytes
        self.ingestBytes = ingestBytes
        self.restorableBytes = restorableBytes
        self.reclaimable = reclaimable
    }
}

/// Something `system check` found.
package struct CheckFinding: Sendable, Equatable {
    package enum Kind: String, Sendable { case blob, layer, database, layout, ingest, orphan }
    package enum Outcome: Sendable, Equatable {
        /// Found, nothing done (no `--repair`).
        case found
        /// Mended; the text says how.
        case repaired(String)
        /// Could not be mended; the text says what to do.
        case unrepaired(String)
    }

    package var kind: Kind
    /// The digest, path or table it is about.
    package var subject: String
    package var problem: String
    /// References that need it, familiar form.
    package var affects: [String]
    package var outcome: Outcome

    package init(kind: Kind, subject: String, problem: String, affects: [String], outcome: Outcome) {
        self.kind = kind
        self.subject = subject
        self.problem = problem
        self.affects = affects
        self.outcome = outcome
    }
}

/// What `system check` went through.
package struct CheckReport: Sendable, Equatable {
    package var blobs: Int
    package var layers: Int
    package var rows: Int
    package var bytes: Int64
    package var findings: [CheckFinding]

    package init(blobs: Int, layers: Int, rows: Int, bytes: Int64, findings: [CheckFinding]) {
        self.blobs = blobs
        self.layers = layers
        self.rows = rows
        self.bytes = bytes
        self.findings = findings
    }
}

/// A step that `image undo` can take back, newest first.
package struct UndoEntry: Sendable, Equatable {
    package var id: Int64
    /// Seconds since 1970.
    package var at: Int64
    /// `rm`, `prune`, `tag`, `pull`, `load`, `import`.
    package var action: String
    /// What it changed: `alpine:3.15 → 4bcff63911fc` in docker's familiar words, a line each.
    package var changes: [String]
    /// Until when it can be undone, seconds since 1970.
    package var until: Int64

    package init(id: Int64, at: Int64, action: String, changes: [String], until: Int64) {
        self.id = id
        self.at = at
        self.action = action
        self.changes = changes
        self.until = until
    }
}

/// An entry of a layer or of a merged tree, for `image files` and `image diff`.
package struct FileEntry: Sendable, Equatable {
    package enum Kind: String, Sendable {
        case file, directory, symlink, hardlink, character, block, fifo, socket, whiteout
    }

    /// Absolute path in the image, as bytes decoded for showing.
    package var path: String
    package var kind: Kind
    /// Permission bits with setuid, setgid and sticky.
    package var mode: UInt16
    package var uid: UInt32
    package var gid: UInt32
    package var size: Int64
    /// Seconds since 1970.
    package var mtime: Int64
    package var linkTarget: String?
    /// The layer the entry comes from.
    package var diffID: Digest

    package init(
        path: String, kind: Kind, mode: UInt16, uid: UInt32, gid: UInt32, size: Int64, mtime: Int64,
        linkTarget: String?, diffID: Digest
    ) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.mtime = mtime
        self.linkTarget = linkTarget
        self.diffID = diffID
    }
}

/// A difference between two images' trees.
package struct FileDifference: Sendable, Equatable {
    package enum Change: String, Sendable {
        case added = "A"
        case changed = "C"
        case deleted = "D"
    }

    package var change: Change
    package var path: String
    package var oldSize: Int64?
    package var newSize: Int64?

    package init(change: Change, path: String, oldSize: Int64?, newSize: Int64?) {
        self.change = change
        self.path = path
        self.oldSize = oldSize
        self.newSize = newSize
    }
}
