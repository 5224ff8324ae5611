package import OCI

/// What names a manifest in a URL: a tag or a digest.
package enum ManifestReference: Hashable, Sendable, CustomStringConvertible {
    case tag(TagName)
    case digest(Digest)

    /// A text with a colon can only be a digest: no tag has one.
    package init(parsing text: String) throws(RegistryFailure) {
        if text.contains(":") {
            self = .digest(try Digest(fromRequest: text))
        } else if let tag = TagName(parsing: text) {
            self = .tag(tag)
        } else {
            throw .tagInvalid(text)
        }
    }

    package var description: String {
        switch self {
        case .tag(let tag): tag.description
        case .digest(let digest): digest.description
        }
    }
}

extension Digest {
    /// The same as `init(parsing:)`, with the registry's error.
    init(fromRequest text: String) throws(RegistryFailure) {
        do { try self.init(parsing: text) } catch { throw .digestInvalid("\(error)") }
    }
}
