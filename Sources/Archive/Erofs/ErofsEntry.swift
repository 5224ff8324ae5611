/// An entry of a layer image.
public struct ErofsEntry: Sendable, Equatable {
    /// What an entry is.
    public enum Kind: Sendable, Equatable {
        case file, directory, symbolicLink, characterDevice, blockDevice, fifo, socket
        /// Hides the entry of this name in the layers below.
        case whiteout
    }

    /// The path below the root, without a leading slash; empty for the root.
    public var path: [UInt8]
    /// What it is.
    public var kind: Kind
    /// Permission bits with setuid, setgid and sticky.
    public var mode: UInt16
    /// Owner.
    public var uid: UInt32
    /// Group.
    public var gid: UInt32
    /// Bytes of a file; 0 for what is no file.
    public var size: Int64
    /// Modification time, seconds since 1970.
    public var mtimeSeconds: Int64
    /// Modification time, nanoseconds within the second.
    public var mtimeNanoseconds: UInt32
    /// Target of a symbolic link.
    public var linkTarget: [UInt8]
    /// Device number, major.
    public var deviceMajor: UInt32
    /// Device number, minor.
    public var deviceMinor: UInt32
    /// The inode: the same for all names of one file.
    public var nid: UInt64
    /// Names of the file.
    public var links: UInt32
    /// Extended attributes, those left out that overlayfs uses for itself.
    public var attributes: [TarEntry.Attribute]
    /// A directory that hides what the layers below have in it.
    public var isOpaque: Bool
}
