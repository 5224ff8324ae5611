import NIOCore
import OCI

/// A page of a repository's tags, as it is sent: distribution-spec "Listing Tags".
struct TagPage: Sendable, Hashable {
    var body: ByteBuffer
    /// The last tag of the page, where more follow.
    var next: String?
}

extension Registry {
    /// Tags in alphanumeric order whatever their case, after a tag.
    func tags(of name: RepositoryName, after last: String, count: Int) async throws -> TagPage {
        let key = LookupCache.Key.tags(name, after: last, count: count)
        if case .tags(let known)? = lookups.record(key, at: database.state) { return known }
        return try await Workers.run { [database, lookups] in
            let state = database.state
            let tags = try database.readBlocking { try $0.tags(of: name, after: last, limit: count + 1) }
            let page = TagPage(name, tags.prefix(count), hasMore: tags.count > count)
            lookups.insert(.tags(page), for: key, read: state, now: database.state)
            return page
        }
    }
}

extension TagPage {
    /// Names and tags have no character that JSON escapes: their grammars see to it.
    init(_ name: RepositoryName, _ tags: ArraySlice<String>, hasMore: Bool) {
        body = ByteBufferAllocator().buffer(capacity: tags.reduce(300) { $0 + $1.utf8.count + 3 })
        body.writeString("{\"name\":\"\(name)\",\"tags\":[")
        for (number, tag) in tags.enumerated() {
            if number > 0 { body.writeInteger(UInt8(ascii: ",")) }
            body.writeInteger(UInt8(ascii: "\""))
            body.writeString(tag)
            body.writeInteger(UInt8(ascii: "\""))
        }
        body.writeString("]}")
        next = hasMore ? tags.last : nil
    }
}
