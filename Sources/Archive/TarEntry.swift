/// One member of a tar archive, after pax and GNU extensions were applied.
///
/// Names are bytes: an image's paths need not be UTF-8.
public struct TarEntry: Sendable, Equatable {
    /// What a member is.
    public enum Kind: Sendable, Equatable {
        case file
        /// Another name of a file that came before; `linkTarget` is that file's path.
        case hardLink
        case symbolicLink
        case characterDevice
        case blockDevice
        case directory
        case fifo
    }

    /// A run of a sparse file that holds data; the rest are holes.
    public struct Extent: Sendable, Equatable {
        /// Where it begins in the file, in bytes.
        public var offset: Int64
        /// Its length in bytes.
        public var length: Int64

        /// Makes a run.
        public init(offset: Int64, length: Int64) {
            self.offset = offset
            self.length = length
        }
    }

    /// An extended attribute.
    public struct Attribute: Sendable, Equatable {
        /// The full name, `security.capability`.
        public var name: String
        /// The raw value.
        public var value: [UInt8]

        /// Makes an attribute.
        public init(name: String, value: [UInt8]) {
            self.name = name
            self.value = value
        }
    }

    /// The path as the archive spells it: may begin with `./` or `/`, end with `/`, or hold `..`.
    public var path: [UInt8]
    /// What it is.
    public var kind: Kind
    /// Permission bits with setuid, setgid and sticky: at most 0o7777.
    public var mode: UInt16
    /// Owner.
    public var uid: UInt32
    /// Group.
    public var gid: UInt32
    /// The file's size in bytes, holes counted; 0 for what is no file.
    public var size: Int64
    /// Modification time, seconds since 1970.
    public var mtimeSeconds: Int64
    /// Modification time, nanoseconds within the second.
    public var mtimeNanoseconds: UInt32
    /// Target of a symbolic or hard link.
    public var linkTarget: [UInt8]
    /// Device number, major.
    public var deviceMajor: UInt32
    /// Device number, minor.
    public var deviceMinor: UInt32
    /// Extended attributes, in the archive's order.
    public var attributes: [Attribute]
    /// The data runs of a sparse file, ascending, not overlapping, within `size`; nil for an ordinary file.
    public var sparse: [Extent]?

    /// Makes a member.
    public init(
        path: [UInt8], kind: Kind, mode: UInt16 = 0o644, uid: UInt32 = 0, gid: UInt32 = 0, size: Int64 = 0,
        mtimeSeconds: Int64 = 0, mtimeNanoseconds: UInt32 = 0, linkTarget: [UInt8] = [], deviceMajor: UInt32 = 0,
        deviceMinor: UInt32 = 0, attributes: [Attribute] = [], sparse: [Extent]? = nil
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
        self.attributes = attributes
        self.sparse = sparse
    }

    /// The bytes of data that follow the header: all of a file, or a sparse file's runs one after another.
    public var storedSize: Int64 { sparse.map { $0.reduce(0) { $0 + $1.length } } ?? size }
}

/// Takes what a tar parser finds, in order: `begin`, the member's data in pieces, `end`; for every member.
public protocol TarHandler {
    /// A member begins.
    mutating func begin(_ entry: TarEntry) throws
    /// The next stored bytes of the member that began (of a sparse file: its runs, one after another). Valid in the call only.
    mutating func data(_ bytes: UnsafeRawBufferPointer) throws
    /// The member's last byte was given.
    mutating func end() throws
}
