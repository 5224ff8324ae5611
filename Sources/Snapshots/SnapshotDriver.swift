package import OCI

/// Turns layers into something that can be mounted, and keeps it under `layers/<diffID hex>/`.
///
/// A layer's life: `beginLayer` makes a writer that stages in a scratch directory on the store's file system, the writer
/// takes the layer's uncompressed tar, `finish` ends it, `commit` makes it durable under its diffID (fsync, rename, fsync
/// of the directory: whoever dies on the way leaves no half layer), `remove` takes it away. `verifier` takes the same tar
/// and compares it with what is stored, so that a damaged layer is found and, by `beginLayer` again, rebuilt.
///
/// Every implementation passes `SnapshotDriverSuite`.
package protocol SnapshotDriver: Sendable {
    var kind: SnapshotKind { get }

    /// Begins a layer.
    ///
    /// - Parameter scratch: an empty directory of the caller's on the store's file system; removed by the caller.
    func beginLayer(in scratch: String) throws -> any LayerWriter
    /// Makes what a finished writer staged the layer of a diffID, replacing what is there.
    ///
    /// - Parameter contents: what the writer's `finish` gave.
    func commit(_ contents: LayerContents, stagedIn scratch: String, as diffID: Digest) throws -> LayerRecord
    /// What is stored of a layer; nil where it is not here, whole.
    func record(of diffID: Digest) throws -> LayerRecord?
    /// All layers that are here, sorted.
    func layers() throws -> [Digest]
    /// Removes layers; one that is not here is fine. Durable when it returns.
    func remove(_ diffIDs: [Digest]) throws
    /// Cheap: whether the layer's file was touched since it was made.
    ///
    /// - Throws: `SnapshotError.damaged` naming the layer.
    func checkSeal(_ diffID: Digest) throws
    /// Notes that a layer is damaged: until it is made again, `checkSeal` and `source` refuse it.
    func distrust(_ diffID: Digest) throws
    /// A writer that compares the tar it takes with the stored layer instead of writing.
    /// Its `consume` or `finish` throws `SnapshotError.damaged` at the first difference; a good `finish` renews the seal.
    func verifier(of diffID: Digest) throws -> any LayerWriter
    /// Gives the layer's own entries, whiteouts included: each directory, then all below it, siblings sorted by bytes.
    func entries(of diffID: Digest, _ body: (LayerEntry) throws -> Void) throws
    /// What of a layer the kernel is given to show it. Cheap; for a layer file this checks the seal too.
    ///
    /// - Throws: `SnapshotError.notFound`, `SnapshotError.damaged`.
    func source(of diffID: Digest) throws -> LayerSource
    /// Removes what processes that died left of layers that were being removed.
    func removeLeftovers() throws
    /// Bytes that the layer takes on disk.
    func storedBytes(of diffID: Digest) throws -> Int64
    /// Where the layer file or tree is: shown to people, read by nobody.
    func path(of diffID: Digest) -> String
}

/// Which driver made a layer.
package enum SnapshotKind: String, Sendable, Codable { case erofs, directory }

/// Takes a layer's uncompressed tar. One thread at a time uses a writer; dropping it abandons the layer.
package protocol LayerWriter: AnyObject, Sendable {
    /// Takes the next bytes of the tar, any number of them. Blocks while the disk is behind.
    ///
    /// - Throws: `TarError` for a bad archive, `SystemError` for the disk.
    func consume(_ bytes: UnsafeRawBufferPointer) throws
    /// Ends the tar; what is staged is complete and durable.
    func finish() throws -> LayerContents
}

/// What a layer's tar turned out to hold.
package struct LayerContents: Sendable, Equatable, Codable {
    /// Bytes of the regular files, as docker counts a layer's size; hard links counted once.
    package var size: Int64
    /// Entries, whiteouts included.
    package var files: Int
    /// The layer hides all layers below it: an opaque marker in its root.
    package var isRootOpaque: Bool
    /// What a tree could not be given on this file system or with these privileges: names of attributes, `device`, `owner`,
    /// `mtime`; nil for nothing.
    package var leftOut: [String]?

    package init(size: Int64, files: Int, isRootOpaque: Bool = false) {
        self.size = size
        self.files = files
        self.isRootOpaque = isRootOpaque
    }
}

/// What `layer.json` says of a stored layer.
package struct LayerRecord: Sendable, Equatable {
    package var diffID: Digest
    package var kind: SnapshotKind
    package var contents: LayerContents

    package init(diffID: Digest, kind: SnapshotKind, contents: LayerContents) {
        self.diffID = diffID
        self.kind = kind
        self.contents = contents
    }
}

/// What the kernel is given to show a layer.
package struct LayerSource: Sendable, Equatable {
    package var diffID: Digest
    package var kind: SnapshotKind
    /// The layer file, or the directory that holds the layer's tree.
    package var path: String
    /// Changes when the layer is made anew.
    package var seal: String
    /// The layers below show nothing. overlayfs does not look at the mark on a root, so whoever stacks leaves them away.
    package var isRootOpaque: Bool

    package init(diffID: Digest, kind: SnapshotKind, path: String, seal: String, isRootOpaque: Bool) {
        self.diffID = diffID
        self.kind = kind
        self.path = path
        self.seal = seal
        self.isRootOpaque = isRootOpaque
    }
}

/// An entry of one layer.
package struct LayerEntry: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case file, directory, symbolicLink, characterDevice, blockDevice, fifo, socket
        /// Hides the entry of this name in the layers below.
        case whiteout
    }

    /// The path below the root, without a leading slash; the root itself is empty.
    package var path: [UInt8]
    package var kind: Kind
    /// Permission bits with setuid, setgid and sticky.
    package var mode: UInt16
    package var uid: UInt32
    package var gid: UInt32
    package var size: Int64
    package var mtimeSeconds: Int64
    package var mtimeNanoseconds: UInt32
    package var linkTarget: [UInt8]
    package var deviceMajor: UInt32
    package var deviceMinor: UInt32
    /// The same number for all names of one file in this layer; says nothing of a whiteout.
    package var inode: UInt64
    /// Names of the file; 1 for directories.
    package var links: UInt32
    /// Attributes of the image, those that overlayfs uses for itself left out.
    package var attributes: [String: [UInt8]]
    /// A directory that hides everything below it in lower layers.
    package var isOpaque: Bool

    package init(
        path: [UInt8], kind: Kind, mode: UInt16, uid: UInt32, gid: UInt32, size: Int64, mtimeSeconds: Int64,
        mtimeNanoseconds: UInt32, linkTarget: [UInt8], deviceMajor: UInt32, deviceMinor: UInt32, inode: UInt64,
        links: UInt32, attributes: [String: [UInt8]], isOpaque: Bool
    ) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.size = size
        self.mtimeSeconds = mtimeSeconds
        self.mtimeNanoseconds = mtimeNanoseconds
        self.linkTarget = linkTarget
        self.deviceMajor = deviceMajor
        self.deviceMinor = deviceMinor
        self.inode = inode
        self.links = links
        self.attributes = attributes
        self.isOpaque = isOpaque
    }
}

/// What can go wrong with a stored layer.
package enum SnapshotError: Error, Sendable, Equatable, CustomStringConvertible {
    case notFound(Digest)
    /// What is stored is not what the layer's tar gives.
    case damaged(Digest, String)
    /// The kernel or the privileges do not allow it; says which and what to do.
    case unsupported(String)

    package var description: String {
        switch self {
        case .notFound(let digest): "layer \(digest) not found"
        case .damaged(let digest, let what): "layer \(digest) is damaged: \(what)"
        case .unsupported(let what): what
        }
    }
}
