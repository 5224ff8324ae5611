/// Why a registry did not do what it was asked: one sentence, and what a person can do about it.
public struct RegistryError: Error, Sendable, Equatable, CustomStringConvertible {
    /// What callers may tell apart. Open: a later version may add codes.
    public struct Code: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let rawValue: String
        /// Makes a code of its name.
        public init(rawValue: String) { self.rawValue = rawValue }
        /// The code's name.
        public var description: String { rawValue }

        /// No or wrong credentials.
        public static let unauthorized = Code(rawValue: "unauthorized")
        /// The credentials do not allow it; also what public registries say of a repository that does not exist.
        public static let denied = Code(rawValue: "denied")
        /// The repository has no such manifest.
        public static let manifestUnknown = Code(rawValue: "manifestUnknown")
        /// The registry has no such repository.
        public static let nameUnknown = Code(rawValue: "nameUnknown")
        /// The repository has no such blob.
        public static let blobUnknown = Code(rawValue: "blobUnknown")
        /// A rate limit.
        public static let tooManyRequests = Code(rawValue: "tooManyRequests")
        /// The registry answered that it cannot serve now, or broke off in the middle.
        public static let unavailable = Code(rawValue: "unavailable")
        /// No connection: unknown host, refused, no route, time-out.
        public static let unreachable = Code(rawValue: "unreachable")
        /// No byte came for the stall time.
        public static let stalled = Code(rawValue: "stalled")
        /// The answer breaks the protocol, is too large, or has the wrong digest.
        public static let invalidAnswer = Code(rawValue: "invalidAnswer")
        /// The TLS handshake failed: an untrusted, expired or wrong certificate, or no TLS at the other end.
        public static let tlsFailure = Code(rawValue: "tlsFailure")
        /// A redirect that leads nowhere, in circles, or from https to http.
        public static let badRedirect = Code(rawValue: "badRedirect")
        /// The registry refused what was sent to it.
        public static let rejected = Code(rawValue: "rejected")
        /// The registry does not know the operation.
        public static let unsupported = Code(rawValue: "unsupported")
        /// The machine's configuration forbids the registry.
        public static let blocked = Code(rawValue: "blocked")
        /// A configuration file or credential helper of this machine is broken.
        public static let configuration = Code(rawValue: "configuration")
    }

    /// One entry of a registry's error answer (distribution-spec "Error Codes"), bounded and without control characters.
    public struct ServerError: Sendable, Hashable {
        /// The registry's code, as `MANIFEST_UNKNOWN`; at most 64 bytes.
        public var code: String
        /// The registry's message; at most 500 characters.
        public var message: String

        /// docker's form: `manifest unknown: manifest unknown`.
        public var sentence: String {
            let words = code.lowercased().replacing("_", with: " ")
            return message.isEmpty ? words : "\(words): \(message)"
        }
    }

    /// What kind of error.
    public var code: Code
    /// What happened, a lower case sentence without the request.
    public var message: String
    /// The request's method, where a request was made.
    public var method: String?
    /// The request's URL without its query.
    public var url: String?
    /// The answer's status, where one came.
    public var status: Int?
    /// What the registry said about it.
    public var serverErrors: [ServerError]
    /// What a person can do.
    public var hint: String?
    /// How long the registry asks to wait, in seconds.
    public var retryAfter: Int64?
    /// Whether trying again may help.
    public var isTransient: Bool

    /// Makes an error.
    public init(
        _ code: Code, _ message: String, method: String? = nil, url: String? = nil, status: Int? = nil,
        serverErrors: [ServerError] = [], hint: String? = nil, retryAfter: Int64? = nil, isTransient: Bool = false
    ) {
        self.code = code
        self.message = message
        self.method = method
        self.url = url
        self.status = status
        self.serverErrors = serverErrors
        self.hint = hint
        self.retryAfter = retryAfter
        self.isTransient = isTransient
    }

    /// A sentence for people: the request and what happened.
    public var description: String {
        guard let method, let url else { return message }
        return "\(method) `\(url)`: \(message)"
    }
}
