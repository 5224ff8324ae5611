import Content
import Linux
import OCI

/// The store's blobs for sending: one whose file was touched since it was verified is read and compared before its first
/// byte goes out, so that no damaged blob is half sent.
struct SealedBlobs: BlobSource {
    let store: BlobStore

    func open(_ descriptor: Descriptor, from offset: Int64) async throws -> any BlobReader {
        if offset == 0 { try await onThread(named: "seal") { [store] in try store.checkSeal(descriptor.digest) } }
        return try await store.open(descriptor, from: offset)
    }
}
