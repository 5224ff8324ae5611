package import OCI

/// The image verbs, as every front end sees them. `ImageService` is the implementation.
///
/// A `name` is what a person types: a reference, an image ID or an unambiguous prefix of one. Errors are `ImageError`
/// with docker's sentences.
package protocol ImageOperations: Sendable {
    /// Pulls one reference, or with `allTags` every tag of its repository. docker's lines come as progress.
    ///
    /// - Returns: the references pulled, full.
    func pull(
        _ reference: Reference, platform: Platform?, allTags: Bool, progress: @escaping ProgressHandler
    ) async throws -> [(reference: Reference, outcome: PullOutcome)]
    /// Images, newest first. Without `all`, intermediate images (none are made today) are left out.
    func list(_ filter: ImageFilter, all: Bool) async throws -> [ImageSummary]
    /// The steps that made an image, newest first.
    func history(_ name: String, platform: Platform?) async throws -> [HistoryStep]
    func inspect(_ name: String, platform: Platform?) async throws -> ImageDetail
    /// Removes one name: untags, and removes the image with its last tag.
    ///
    /// - Parameter now: frees the space at once; it cannot be undone.
    func remove(
        _ name: String, force: Bool, keepParents: Bool, platform: Platform?, now: Bool
    ) async throws -> [Removal]
    func tag(_ name: String, as target: Reference) async throws
    func push(_ reference: Reference, platform: Platform?, allTags: Bool, progress: @escaping ProgressHandler)
        async throws
    /// Writes images as one tar to a descriptor that stays open.
    func save(
        _ names: [String], format: SaveFormat, platform: Platform?, to output: Int32,
        progress: @escaping ProgressHandler
    ) async throws
    /// Reads images of a docker-archive or OCI-layout tar, plain or compressed, from a descriptor that stays open.
    func load(from input: Int32, platform: Platform?, progress: @escaping ProgressHandler) async throws -> [LoadedImage]
    /// Makes an image of a root file system tar.
    ///
    /// - Parameters:
    ///   - input: a descriptor that stays open; plain or compressed.
    ///   - target: what to call it.
    ///   - changes: Dockerfile instructions.
    func importImage(
        from input: Int32, as target: Reference?, changes: [ConfigChange], message: String, platform: Platform?,
        progress: @escaping ProgressHandler
    ) async throws -> Digest
    /// Removes what nothing needs.
    ///
    /// - Parameters:
    ///   - all: every image that no container uses, not only dangling ones.
    ///   - plan: only tells what would go.
    ///   - now: frees the bytes at once and gives up undo.
    func prune(_ filter: ImageFilter, all: Bool, plan: Bool, now: Bool) async throws -> PruneReport
    func diskUsage() async throws -> DiskUsage
    func check(repair: Bool, progress: @escaping ProgressHandler) async throws -> CheckReport
    /// What can be undone, newest first.
    func undoEntries() async throws -> [UndoEntry]
    /// Takes one step back: the newest, or the one named.
    func undo(_ id: Int64?) async throws -> UndoEntry
    /// What differs between two images' merged trees.
    func diff(_ from: String, _ to: String) async throws -> [FileDifference]
    /// The merged tree of an image, or one layer's own entries (its diffID or blob digest or a prefix, or its number from 1).
    func files(_ name: String, layer: String?) async throws -> [FileEntry]
    /// Who keeps the bytes of an image or a layer: references, images, containers, leases, undo.
    func why(_ name: String) async throws -> [KeepReason]
}

/// A container that uses an image; `Containers` tells, front ends wire it.
package struct ImageUser: Sendable, Equatable {
    package var containerID: String
    package var imageID: Digest
    package var isRunning: Bool

    package init(containerID: String, imageID: Digest, isRunning: Bool) {
        self.containerID = containerID
        self.imageID = imageID
        self.isRunning = isRunning
    }
}

/// One thing that keeps bytes from being freed.
package struct KeepReason: Sendable, Equatable {
    /// The image or layer kept.
    package var subject: String
    /// Why: `tag alpine:3.15`, `layer of 4bcff63911fc`, `container 0f3a…`, `undo until …`.
    package var reason: String
    /// Bytes that would go with it alone.
    package var bytes: Int64

    package init(subject: String, reason: String, bytes: Int64) {
        self.subject = subject
        self.reason = reason
        self.bytes = bytes
    }
}
