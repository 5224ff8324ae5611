/// The file tree that a layer's entries make, built in one pass in the order of the archive.
///
/// Rules, those of `tar -x` and of docker into an empty directory where no other reason is given:
/// - The last entry of a path wins; a later directory entry for a directory changes its metadata only; something else in
///   a directory's place drops what was below it.
/// - Directories that a path implies are made: mode 0755, root, time 0.
/// - The directory part of a path (of a hard link's target too) is resolved inside the layer: a symbolic link on the way
///   is followed as in a chroot, so that nothing leaves the root; what the link leads to is made where it is missing,
///   because it may lie in a layer below. The last name is never followed.
/// - A hard link is another name of the file its target is at that moment, metadata included.
/// - A whiteout hides lower layers only. Beside an entry of the same name in this layer the entry stays, and if it is a
///   directory it is opaque, since nothing of the lower one may shine through. The order of the two does not matter, nor
///   that of an opaque marker and the directory's entries.
///
/// About 110 bytes a file: flat arrays, names in one buffer, one hash table for (directory, name).
package struct LayerTree: Sendable {
    /// Position of a name in `nodes`; the root is 0.
    package typealias NodeIndex = UInt32
    /// Position in `inodes`; the root's is 0.
    package typealias InodeIndex = UInt32

    /// As many as the kernel follows.
    static let maximumLinksFollowed = 40
    /// What readlink can return: a page, less the NUL.
    static let maximumTargetLength = 4095
    /// Bounds the memory of link targets, and of attributes: far more than any real layer has.
    static let maximumPoolSize = 256 << 20
    /// What the count in an inode can express, less room for the header and overlayfs's own.
    static let maximumAttributesSize = 4 * (Int(UInt16.max) - 1) - 256
    /// Takes the place of an inode in the name of a whiteout.
    static let whiteout: InodeIndex = .max

    /// A name in a directory.
    struct Node: Sendable {
        var parent: NodeIndex
        var inode: InodeIndex
        /// Where its bytes begin in `names`.
        var name: UInt32
        /// Of the whole path, for the limit.
        var pathLength: UInt16
        var nameLength: UInt8
        var flags: Flags
    }

    struct Flags: OptionSet, Sendable {
        let rawValue: UInt8
        /// Hides what the lower layers have below this name; stays when the entry is replaced.
        static let opaque = Flags(rawValue: 1)
        /// Not in the tree any more: something that is no directory took its place.
        static let dropped = Flags(rawValue: 2)
        /// The directory holds a whiteout; set when the tree is complete.
        static let holdsWhiteout = Flags(rawValue: 4)
    }

    /// What a name stands for; hard links share one.
    struct Inode: Sendable {
        /// Bytes of a file; length of a symbolic link's target or a directory's entries.
        var size: UInt64
        var mtimeSeconds: Int64
        var mtimeNanoseconds: UInt32
        var uid: UInt32
        var gid: UInt32
        /// First block of a file or directory; device number; position in `chunkMaps` or, for links, in `targets`.
        var content: UInt32 = 0
        /// One more than the position in `attributes`; 0 for none.
        var attributes: UInt32 = 0
        /// Number of names; counted when the tree is complete.
        var links: UInt32 = 0
        /// Where the inode lies in the image's inode area, in slots; given when the tree is complete.
        var slot: UInt32 = 0
        /// With the kind of file.
        var mode: UInt16
        var layout: ErofsFormat.Layout = .plain
    }

    var nodes: [Node] = []
    var inodes: [Inode] = []
    var names: [UInt8] = []
    /// Targets of symbolic links.
    var targets: [UInt8] = []
    /// Attributes as the image holds them, each inode's led by its length in 4 bytes.
    var attributes: [UInt8] = []
    var lastAttributes: UInt32?
    var chunkMaps: [ChunkMap] = []

    /// Open addressing, a power of two of slots. The hashes stand here, so that a name that is new costs no look at nodes.
    var table = [TableSlot](repeating: .free, count: 1024)
    /// The directory part of the path that came last, as spelled, and where it leads: archives list a directory's entries
    /// one after another.
    var lastDirectory: (path: [UInt8], node: NodeIndex) = ([], 0)
    let maximumEntries: Int

    /// - Parameter maximumEntries: bounds the memory that an archive can claim; at most 16 Mi, so that the positions of
    ///   names of 255 bytes fit 32 bits.
    package init(maximumEntries: Int = 8 << 20) {
        self.maximumEntries = min(maximumEntries, 16 << 20)
        nodes.append(Node(parent: 0, inode: 0, name: 0, pathLength: 0, nameLength: 0, flags: []))
        inodes.append(LayerTree.impliedDirectory)
    }

    static let impliedDirectory = Inode(
        size: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, uid: 0, gid: 0, mode: ErofsFormat.directory | 0o755)

    func isDirectory(_ node: NodeIndex) -> Bool { kind(of: node) == ErofsFormat.directory }

    /// Lets go of what only the placing of entries needs.
    mutating func endOfEntries() {
        table = []
        lastDirectory = ([], 0)
    }

    /// The file kind bits of a name's mode; 0 for a whiteout.
    func kind(of node: NodeIndex) -> UInt16 {
        let inode = nodes[Int(node)].inode
        return inode == LayerTree.whiteout ? 0 : inodes[Int(inode)].mode & ErofsFormat.kindMask
    }
}
