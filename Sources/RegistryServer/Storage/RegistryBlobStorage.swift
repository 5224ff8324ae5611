package import Linux
package import OCI

/// Where a registry keeps the bytes of its blobs, once each, whatever the number of repositories that have them.
///
/// A blob that `size(of:)` finds is durable and had its digest when it was published. Who has it is the database's
/// business: a blob without a row is garbage, a row without a blob is damage. Every method blocks; none is called on the
/// cooperative pool. `RegistryBlobStorageSuite` tests what is promised here, for every implementation.
package protocol RegistryBlobStorage: Sendable {
    /// The number of bytes of a blob; nil where it is not here.
    func size(of digest: Digest) throws -> Int64?

    /// The bytes of a blob for sending; nil where it is not here.
    func content(of digest: Digest) throws -> BlobContent?

    /// Starts an upload.
    func startUpload(_ id: UploadID, hashing algorithm: Digest.Algorithm) throws -> any BlobUpload

    /// Goes on with an upload, also of an earlier process; nil where there is none.
    func resumeUpload(_ id: UploadID, hashing algorithm: Digest.Algorithm) throws -> (any BlobUpload)?

    /// Forgets an upload and its bytes; one that is gone is fine.
    func removeUpload(_ id: UploadID) throws

    /// The uploads that have bytes here.
    func uploads() throws -> [StoredUpload]

    /// Every blob, in no order.
    func forEachBlob(_ body: (StoredBlob) throws -> Void) throws

    /// Removes a blob; one that is gone is fine. Call it only inside `exclusively`.
    func remove(_ digest: Digest) throws

    /// Reads a blob and compares its digest.
    ///
    /// - Returns: what is wrong with it, as a sentence; nil where nothing is.
    func problem(with digest: Digest, size: Int64) throws -> String?

    /// Runs a closure while nobody else, in this process or another, publishes or removes the blob.
    func exclusively<Result>(_ digest: Digest, _ body: () throws -> Result) throws -> Result

    /// Throws where a blob could not be stored now.
    func checkWritable() throws
}

/// An upload that bytes are added to, by one thread at a time.
package protocol BlobUpload: AnyObject, Sendable {
    /// The number of bytes that are here.
    var offset: Int64 { get }

    /// The bytes that are here, for reading while more come and after they became a blob.
    var file: OpenFile { get }

    /// Takes the next bytes.
    func append(_ bytes: UnsafeRawBufferPointer) throws

    /// Makes the bytes durable and compares their digest.
    ///
    /// - Returns: the number of bytes.
    /// - Throws: `BlobError.digestMismatch`.
    func verify(_ digest: Digest) throws -> Int64

    /// Makes the verified bytes a blob, durably; they stop to be an upload. Call it only inside `exclusively`.
    func publish(as digest: Digest) throws
}

/// The bytes of a blob on their way out.
package enum BlobContent: Sendable {
    /// An open file, for sendfile.
    case file(OpenFile, size: Int64)
    /// On its way from another registry.
    case arriving(BlobDownload)

    package var size: Int64 {
        switch self {
        case .file(_, let size): size
        case .arriving(let download): download.size
        }
    }
}

/// An open file that closures may share.
package final class OpenFile: Sendable {
    package let descriptor: OwnedDescriptor
    package init(_ descriptor: consuming OwnedDescriptor) { self.descriptor = descriptor }

    /// All bytes, where they are few. Blocks the thread.
    func read(size: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try unsafe bytes.withUnsafeMutableBytes {
            try unsafe preadFull(from: descriptor.raw, at: 0, into: $0, "blob")
        }
        bytes.removeLast(size - count)
        return bytes
    }
}

/// An upload's bytes in a storage.
package struct StoredUpload: Sendable, Hashable {
    package var id: UploadID
    /// Seconds since 1970 of the last change.
    package var changed: Int64
}

/// A blob in a storage.
package struct StoredBlob: Sendable, Hashable {
    package var digest: Digest
    package var size: Int64
    /// Seconds since 1970 of its publication.
    package var stored: Int64
}
