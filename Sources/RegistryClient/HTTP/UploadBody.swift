import Content
import NIOCore
import Synchronization

/// A request's body read from a blob reader, chunk by chunk, up to a number of bytes.
struct UploadBody: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let feed: UploadFeed
    let length: Int64

    func makeAsyncIterator() -> Iterator { Iterator(feed: feed, left: length) }

    struct Iterator: AsyncIteratorProtocol {
        let feed: UploadFeed
        var left: Int64

        mutating func next() async throws -> ByteBuffer? {
            if left == 0 { return nil }
            let chunk = try await feed.next(atMost: left)
            left -= Int64(chunk.count)
            return ByteBuffer(bytes: chunk)
        }
    }
}
