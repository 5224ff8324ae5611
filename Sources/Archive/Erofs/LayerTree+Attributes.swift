extension LayerTree {
    /// The kernel's limits of a name and a value.
    private static let maximumNameLength = 255
    private static let maximumValueLength = 65535

    /// Keeps attributes in the form the image holds them in.
    ///
    /// Names that Linux does not know are left out, and so are overlayfs's own: a layer must not steer the overlay.
    ///
    /// - Returns: what `Inode.attributes` takes.
    mutating func addAttributes(_ list: [TarEntry.Attribute], of path: LayerPath) throws(LayerError) -> UInt32 {
        var entries: [UInt8] = []
        var seen = Set<String>()
        // The last value of a name counts.
        for attribute in list.reversed() where !OverlayAttribute.isReserved(attribute.name) {
            guard seen.insert(attribute.name).inserted else { continue }
            guard attribute.name.utf8.count <= Self.maximumNameLength,
                attribute.value.count <= Self.maximumValueLength
            else { throw .attributeTooLarge(path: path.description, attribute: attribute.name) }
            LayerTree.encode(attribute, to: &entries)
        }
        if entries.isEmpty { return 0 }
        // The header and the entries of overlayfs need room too.
        guard entries.count <= LayerTree.maximumAttributesSize else {
            throw .attributeTooLarge(path: path.description, attribute: list[0].name)
        }
        // Neighbours often have the same: one label on a whole layer.
        if let last = lastAttributes, attributeEntries(last).elementsEqual(entries) { return last }
        guard attributes.count + entries.count <= LayerTree.maximumPoolSize else {
            throw .tooManyEntries(limit: maximumEntries)
        }
        let reference = UInt32(attributes.count + 1)
        attributes.append(little: UInt32(entries.count))
        attributes += entries
        lastAttributes = reference
        return reference
    }

    /// The encoded attributes that `Inode.attributes` stands for.
    func attributeEntries(_ reference: UInt32) -> ArraySlice<UInt8> {
        if reference == 0 { return [] }
        let start = Int(reference) + 3
        let length = attributes[(start - 4)..<start].reversed().reduce(0) { $0 << 8 | Int($1) }
        return attributes[start..<start + length]
    }

    /// Appends an attribute in the image's form; one whose prefix has no number is left out.
    static func encode(_ attribute: TarEntry.Attribute, to bytes: inout [UInt8]) {
        guard let (index, prefix) = ErofsFormat.attributePrefixes.first(where: { attribute.name.hasPrefix($0.prefix) })
        else { return }
        let suffix = attribute.name.utf8.dropFirst(prefix.utf8.count)
        // The ACL names are whole, the others need a name after the prefix.
        guard suffix.isEmpty != prefix.hasSuffix(".") else { return }
        bytes.append(UInt8(suffix.count))
        bytes.append(index)
        bytes.append(little: UInt16(attribute.value.count))
        bytes.append(contentsOf: suffix)
        bytes += attribute.value
        bytes.append(zeros: -bytes.count & 3)
    }
}
