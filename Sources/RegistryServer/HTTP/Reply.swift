import Hummingbird
import NIOCore
import OCI

typealias HeaderName = HTTPFields.Element.Name

extension HTTPFields.Element.Name {
    /// A header of our own; the names are literals of this module.
    static func named(_ name: StaticString) -> HeaderName { HeaderName("\(name)") ?? .server }

    static let dockerContentDigest = named("Docker-Content-Digest")
    static let dockerAPIVersion = named("Docker-Distribution-Api-Version")
    static let dockerUploadUUID = named("Docker-Upload-UUID")
    static let ociSubject = named("OCI-Subject")
    static let ociTag = named("OCI-Tag")
    static let ociFiltersApplied = named("OCI-Filters-Applied")
    static let xForwardedFor = named("X-Forwarded-For")
    static let link = named("Link")
}

/// An answer before it is sent.
struct Reply: Sendable {
    enum Body: Sendable {
        case none
        case bytes(ByteBuffer)
        case blob(BlobContent, Range<Int64>)

        var length: Int64 {
            switch self {
            case .none: 0
            case .bytes(let buffer): Int64(buffer.readableBytes)
            case .blob(_, let range): range.upperBound - range.lowerBound
            }
        }
    }

    var status: Int
    var headers = HTTPFields()
    var body = Body.none
    /// The length that a HEAD tells without having the body.
    var announcedLength: Int64?

    init(_ status: Int) { self.status = status }

    consuming func with(_ name: HeaderName, _ value: String) -> Reply {
        var reply = self
        reply.headers.append(HTTPFields.Element(name: name, value: value))
        return reply
    }

    consuming func with(body bytes: [UInt8], type: String) -> Reply {
        var reply = with(.contentType, type)
        reply.body = .bytes(ByteBuffer(bytes: bytes))
        return reply
    }

    consuming func with(json value: some Encodable) throws -> Reply {
        with(body: try JSONText.bytes(value), type: "application/json")
    }

    consuming func with(digest: Digest) -> Reply { with(.dockerContentDigest, digest.description) }

    var length: Int64 { announcedLength ?? body.length }
}

extension Reply {
    private struct Errors: Encodable {
        struct Detail: Encodable { var digests: [Digest] }
        struct Item: Encodable {
            var code: String
            var message: String
            var detail: Detail?
        }
        var errors: [Item]
    }

    /// The answer to a request that is refused: distribution-spec "Error Codes".
    init(_ failure: RegistryFailure) {
        self.init(failure.status)
        for header in failure.headers {
            if let name = HeaderName(header.name) {
                headers.append(HTTPFields.Element(name: name, value: header.value))
            }
        }
        let item = Errors.Item(
            code: failure.code.rawValue, message: failure.message,
            detail: failure.digests.isEmpty ? nil : Errors.Detail(digests: failure.digests))
        let bytes = (try? JSONText.bytes(Errors(errors: [item]))) ?? []
        self = with(body: bytes, type: "application/json")
    }
}
