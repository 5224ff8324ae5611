/// Why the entries of a layer make no file tree.
public enum LayerError: Error, Equatable, Sendable {
    /// A hard link to a path that no entry before it made.
    case hardLinkTargetMissing(path: String, target: String)
    /// A hard link to a directory.
    case hardLinkToDirectory(path: String, target: String)
    /// The path goes through something that is neither a directory nor a symbolic link.
    case notADirectory(path: String, component: String)
    /// The path goes through too many symbolic links, or through one that leads to itself.
    case tooManySymbolicLinks(path: String)
    /// With the symbolic links on its way followed, the path is longer than Linux allows.
    case pathTooLong(path: String)
    /// A symbolic link's target is empty, too long, or holds a NUL.
    case invalidLinkTarget(path: String)
    /// A device number that Linux does not have.
    case invalidDevice(path: String)
    /// An extended attribute whose name or value is larger than Linux allows.
    case attributeTooLarge(path: String, attribute: String)
    /// A sparse file's map is not ascending, overlaps, or leaves the file.
    case invalidSparseMap(path: String)
    /// The root is something other than a directory, or a whiteout.
    case rootIsNoDirectory
    /// More entries than a layer may have.
    case tooManyEntries(limit: Int)
    /// The file, or the image with it, would be larger than a layer image can be.
    case tooLarge(path: String)
    /// The data of a member is not as long as its header says.
    case dataLengthMismatch(path: String)
}

extension LayerError: CustomStringConvertible {
    /// A sentence for people.
    public var description: String {
        switch self {
        case .hardLinkTargetMissing(let path, let target):
            "`\(path)` is a hard link to `\(target)`, which the layer does not hold before it"
        case .hardLinkToDirectory(let path, let target):
            "`\(path)` is a hard link to the directory `\(target)`: Linux has no such links"
        case .notADirectory(let path, let component):
            "`\(path)` lies below `\(component)`, which is not a directory in this layer"
        case .tooManySymbolicLinks(let path): "`\(path)` leads through too many symbolic links"
        case .pathTooLong(let path):
            "`\(path)` leads to a path of more than \(LayerPath.maximumLength) bytes: Linux has no such path"
        case .invalidLinkTarget(let path):
            "the target of the symbolic link `\(path)` is empty, holds a NUL byte or has more than "
                + "\(LayerTree.maximumTargetLength) bytes"
        case .invalidDevice(let path): "the device `\(path)` has a number that Linux does not have"
        case .attributeTooLarge(let path, let attribute):
            "the extended attribute `\(attribute)` of `\(path)` is larger than Linux allows"
        case .invalidSparseMap(let path): "the map of the sparse file `\(path)` is damaged"
        case .rootIsNoDirectory: "the layer's root is not a directory"
        case .tooManyEntries(let limit): "the layer has more than \(limit) entries"
        case .tooLarge(let path): "`\(path)` makes the layer larger than an image can be (16 TiB)"
        case .dataLengthMismatch(let path): "the data of `\(path)` is not as long as its header says"
        }
    }
}
