/// Bounds what a walk reads of attributes: each inode's once, all of them together no more than the image.
struct AttributeCache {
    fileprivate var budget: UInt64
    /// Of files with several names.
    fileprivate var shared: [UInt64: [TarEntry.Attribute]] = [:]

    init(budget: UInt64) { self.budget = budget }
}

extension ErofsReader {
    /// Extended attributes of an inode, overlayfs's included.
    func attributes(of inode: ErofsInode, _ cache: inout AttributeCache) throws -> [TarEntry.Attribute] {
        if inode.attributesSize == 0 { return [] }
        if let known = cache.shared[inode.nid] { return known }
        guard inode.attributesSize <= cache.budget else {
            throw ErofsError.damaged("they overlap", at: "attributes of inode \(inode.nid)")
        }
        cache.budget -= UInt64(inode.attributesSize)
        let attributes = try readAttributes(of: inode)
        if inode.links > 1, inode.kind != ErofsFormat.directory { cache.shared[inode.nid] = attributes }
        return attributes
    }

    private func readAttributes(of inode: ErofsInode) throws -> [TarEntry.Attribute] {
        let place = "attributes of inode \(inode.nid)"
        let body = try windows.bytes(at: inode.attributesStart, count: inode.attributesSize, place)
        let sharedCount = Int(body[4])
        var position = ErofsFormat.attributeHeaderSize + sharedCount * 4
        guard position <= body.count else { throw ErofsError.damaged("their count", at: place) }
        var result: [TarEntry.Attribute] = []
        for index in 0..<sharedCount {
            let id = unsafe body.withUnsafeBytes { bytes in
                unsafe bytes.little(ErofsFormat.attributeHeaderSize + index * 4, as: UInt32.self)
            }
            result.append(try sharedAttribute(id, place))
        }
        while position < body.count {
            let (attribute, size) = try ErofsReader.attribute(in: body[position...], place)
            result.append(attribute)
            position += size
        }
        return result
    }

    private func sharedAttribute(_ id: UInt32, _ place: String) throws -> TarEntry.Attribute {
        let start = attributesStart + UInt64(id) * 4
        guard start < size else { throw ErofsError.damaged("a shared one lies outside the image", at: place) }
        let head = try windows.bytes(at: start, count: Int(min(4, size - start)), place)
        guard head.count == 4 else { throw ErofsError.damaged("a shared one lies outside the image", at: place) }
        let length = 4 + Int(head[0]) + Int(head[2]) + Int(head[3]) << 8
        return try ErofsReader.attribute(in: windows.bytes(at: start, count: length, place)[...], place).attribute
    }

    private static func attribute(
        in bytes: ArraySlice<UInt8>, _ place: String
    ) throws -> (attribute: TarEntry.Attribute, size: Int) {
        let start = bytes.startIndex
        guard bytes.count >= 4 else { throw ErofsError.damaged("one is cut off", at: place) }
        let nameEnd = start + 4 + Int(bytes[start])
        let valueEnd = nameEnd + Int(bytes[start + 2]) + Int(bytes[start + 3]) << 8
        guard valueEnd <= bytes.endIndex else { throw ErofsError.damaged("one is cut off", at: place) }
        guard let prefix = ErofsFormat.attributePrefixes.first(where: { $0.index == bytes[start + 1] })?.prefix else {
            throw ErofsError(.unsupported("the name prefix \(bytes[start + 1])"), at: place)
        }
        guard let suffix = String(validating: bytes[start + 4..<nameEnd], as: UTF8.self),
            suffix.isEmpty != prefix.hasSuffix("."), !suffix.utf8.contains(0)
        else { throw ErofsError.damaged("a name", at: place) }
        let attribute = TarEntry.Attribute(name: prefix + suffix, value: Array(bytes[nameEnd..<valueEnd]))
        return (attribute, (valueEnd - start + 3) & ~3)
    }
}
