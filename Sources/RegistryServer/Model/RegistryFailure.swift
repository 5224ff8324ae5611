package import OCI

/// A request that the registry refuses: the code of distribution-spec "Error Codes", the status, and a sentence that names
/// the thing and the remedy.
package struct RegistryFailure: Error, Sendable, Equatable, CustomStringConvertible {
    /// The identifiers of distribution-spec "Error Codes", and `UNKNOWN` for a failure of our own.
    package enum Code: String, Sendable {
        case blobUnknown = "BLOB_UNKNOWN"
        case blobUploadInvalid = "BLOB_UPLOAD_INVALID"
        case blobUploadUnknown = "BLOB_UPLOAD_UNKNOWN"
        case digestInvalid = "DIGEST_INVALID"
        case manifestBlobUnknown = "MANIFEST_BLOB_UNKNOWN"
        case manifestInvalid = "MANIFEST_INVALID"
        case manifestUnknown = "MANIFEST_UNKNOWN"
        case nameInvalid = "NAME_INVALID"
        case nameUnknown = "NAME_UNKNOWN"
        case sizeInvalid = "SIZE_INVALID"
        case unauthorized = "UNAUTHORIZED"
        case denied = "DENIED"
        case unsupported = "UNSUPPORTED"
        case tooManyRequests = "TOOMANYREQUESTS"
        case unknown = "UNKNOWN"
    }

    package var code: Code
    package var status: Int
    package var message: String
    /// The digests that the failure is about, for the `detail` of the answer.
    package var digests: [Digest] = []
    package var headers: [Header] = []
    /// Whether a quota has no room.
    package var isQuota = false

    /// A header that the answer carries.
    package struct Header: Sendable, Equatable {
        package var name: String
        package var value: String
    }

    package init(_ code: Code, status: Int, _ message: String) {
        self.code = code
        self.status = status
        self.message = message
    }

    package var description: String { message }

    /// The same failure with one more header.
    package func with(header name: String, _ value: String) -> RegistryFailure {
        var failure = self
        failure.headers.append(Header(name: name, value: value))
        return failure
    }
}

extension RegistryFailure {
    static func nameInvalid(_ name: String) -> RegistryFailure {
        RegistryFailure(
            .nameInvalid, status: 400,
            "invalid repository name `\(name)`: want lower-case letters and digits, separated by `.`, `_`, `__`, `-` or `/`"
        )
    }

    static func nameUnknown(_ name: RepositoryName) -> RegistryFailure {
        RegistryFailure(.nameUnknown, status: 404, "repository `\(name)` not found")
    }

    static func tagInvalid(_ text: String) -> RegistryFailure {
        RegistryFailure(
            .manifestInvalid, status: 400,
            "invalid tag `\(text.prefix(200))`: want at most 128 letters, digits, `_`, `.` and `-`")
    }

    static func digestInvalid(_ message: String) -> RegistryFailure {
        RegistryFailure(.digestInvalid, status: 400, message)
    }

    static func blobUnknown(_ digest: Digest) -> RegistryFailure {
        var failure = RegistryFailure(.blobUnknown, status: 404, "blob \(digest) not found in the repository")
        failure.digests = [digest]
        return failure
    }

    static func manifestUnknown(_ reference: ManifestReference, _ name: RepositoryName) -> RegistryFailure {
        RegistryFailure(.manifestUnknown, status: 404, "manifest `\(reference)` not found in `\(name)`")
    }

    static func uploadUnknown(_ id: String) -> RegistryFailure {
        RegistryFailure(
            .blobUploadUnknown, status: 404,
            "upload `\(id.prefix(100))` not found: it ended, was cancelled or has expired; start a new one")
    }

    static func manifestInvalid(_ message: String) -> RegistryFailure {
        RegistryFailure(.manifestInvalid, status: 400, message)
    }

    static func manifestBlobUnknown(_ missing: [Digest], _ name: RepositoryName) -> RegistryFailure {
        let shown = missing.prefix(5).map(\.description).joined(separator: ", ")
        let more = missing.count > 5 ? " and \(missing.count - 5) more" : ""
        var failure = RegistryFailure(
            .manifestBlobUnknown, status: 404,
            "the manifest references content that `\(name)` does not have: \(shown)\(more); push it first")
        failure.digests = missing
        return failure
    }

    static func badQuery(_ message: String) -> RegistryFailure { RegistryFailure(.unsupported, status: 400, message) }

    static func notAllowed(_ allowed: String) -> RegistryFailure {
        RegistryFailure(.unsupported, status: 405, "the method is not allowed here; allowed are \(allowed)")
            .with(header: "Allow", allowed)
    }
}
