/// Why a tar archive is refused.
public struct TarError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What is wrong.
    public enum Reason: Error, Equatable, Sendable {
        /// The bytes end inside a member.
        case truncated
        /// A block that should be a header is none: its checksum does not fit.
        case badChecksum
        /// One zero block, then more: neither an end nor a member.
        case loneZeroBlock
        /// A number, or a record of an extended header, that cannot be read.
        case malformed(Field)
        /// A number that is negative, or larger than what Linux or this format has.
        case outOfRange(Field)
        /// A type of member that no layer has, by its type flag.
        case unsupportedType(UInt8)
        /// A member that needs a path or link target and has none.
        case missing(Field)
        /// A path or link target longer than Linux has.
        case tooLong(Field)
        /// A NUL byte inside a path or link target.
        case holdsNUL(Field)
        /// A pax header, or GNU long name, of more than `TarParser.maximumMetadataSize` bytes.
        case metadataTooLarge
        /// More attributes than `TarParser.maximumAttributes`.
        case tooManyAttributes
        /// An attribute, by its name, whose value is larger than Linux stores.
        case attributeTooLarge(String)
        /// A sparse map whose runs overlap, go backwards, leave the file, or do not fit the stored bytes.
        case inconsistentSparseMap
        /// More runs than `TarParser.maximumExtents`.
        case tooManyExtents
        /// A version of GNU's sparse format that nobody writes.
        case unsupportedSparseVersion
    }

    /// A part of a member's header.
    public enum Field: String, Sendable {
        case mode, size, time, path
        case owner = "owner number"
        case group = "group number"
        case device = "device number"
        case linkTarget = "link target"
        case attributeName = "attribute name"
        case extendedHeader = "extended header"
        case sparseMap = "sparse map"
    }

    /// What is wrong.
    public let reason: Reason
    /// The member, as far as known; bytes that are no UTF-8 are replaced, a long name is cut.
    public let member: String
    /// Where the member's header begins, or where the bytes end, in the uncompressed archive.
    public let offset: Int64

    init(_ reason: Reason, member: some Collection<UInt8>, offset: Int64) {
        self.reason = reason
        self.member = String(decoding: member.prefix(200), as: UTF8.self) + (member.count > 200 ? "…" : "")
        self.offset = offset
    }

    /// A sentence for people.
    public var description: String {
        let place = member.isEmpty ? "tar archive, at byte \(offset)" : "tar member `\(member)`, at byte \(offset)"
        return "\(place): \(reason.sentence)"
    }
}

extension TarError.Reason {
    fileprivate var sentence: String {
        switch self {
        case .truncated: "the archive ends here, inside a member: it was cut off"
        case .badChecksum: "no tar header (the checksum does not fit): the archive is damaged, or no tar archive"
        case .loneZeroBlock: "a single zero block in the middle: the archive is damaged"
        case .malformed(let field): "the \(field.rawValue) cannot be read: the archive is damaged"
        case .outOfRange(let field): "the \(field.rawValue) is out of range"
        case .unsupportedType(let flag): "a member of type \(printable(flag)), which a layer cannot hold"
        case .missing(let field): "no \(field.rawValue)"
        case .tooLong(let field): "the \(field.rawValue) is longer than \(LayerPath.maximumLength) bytes"
        case .holdsNUL(let field): "the \(field.rawValue) holds a NUL byte"
        case .metadataTooLarge: "an extended header of more than \(TarParser.maximumMetadataSize >> 10) KiB"
        case .tooManyAttributes: "more than \(TarParser.maximumAttributes) extended attributes"
        case .attributeTooLarge(let name):
            "the attribute `\(name)` is larger than \(TarParser.maximumAttributeSize >> 10) KiB"
        case .inconsistentSparseMap: "the sparse map contradicts itself or the member's size"
        case .tooManyExtents: "a sparse map of more than \(TarParser.maximumExtents) runs"
        case .unsupportedSparseVersion: "an unknown version of the sparse format"
        }
    }

    private func printable(_ flag: UInt8) -> String {
        (33...126).contains(flag) ? "`\(Character(UnicodeScalar(flag)))`" : "\(flag)"
    }
}
