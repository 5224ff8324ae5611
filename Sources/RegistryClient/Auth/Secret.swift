/// A password or a token. Whatever prints it, prints `<redacted>`; only `reveal()` gives the text.
public struct Secret: Sendable, Hashable {
    private let value: String

    /// Wraps a secret text.
    public init(_ value: String) { self.value = value }

    /// The text itself, for a header, a form or a credential helper; never for a log or an error.
    public func reveal() -> String { value }

    /// Whether there is no text.
    public var isEmpty: Bool { value.isEmpty }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Always `<redacted>`.
    public var description: String { "<redacted>" }
    /// Always `<redacted>`.
    public var debugDescription: String { "<redacted>" }
    /// Empty, so that `dump` shows nothing.
    public var customMirror: Mirror { Mirror(self, children: [] as [Mirror.Child]) }
}

/// What a user proves who they are with, to one registry.
public enum Credential: Sendable, Hashable {
    /// A user name and a password or an access token.
    case basic(user: String, secret: Secret)
    /// A refresh token that a token server gave at login (docker's `identitytoken`).
    case identityToken(Secret)
    /// A bearer token to be sent as it is (docker's `registrytoken`).
    case registryToken(Secret)

    /// The user's name, where the credential has one.
    public var user: String? { if case .basic(let user, _) = self { user } else { nil } }
}
