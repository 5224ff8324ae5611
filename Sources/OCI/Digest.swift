public import Crypto

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The name of some bytes: an algorithm and the hash they have under it.
///
/// A `Digest` exists only when it is well formed, so a path or a URL may be made of one without a further check.
/// Implements image-spec "Digests" (descriptor.md) for the two registered algorithms.
public struct Digest: Hashable, Sendable, Comparable {
    /// A registered digest algorithm.
    public enum Algorithm: String, Sendable, CaseIterable {
        /// SHA-256: 64 hexadecimal digits.
        case sha256
        /// SHA-512: 128 hexadecimal digits.
        case sha512

        /// The number of hexadecimal digits of a digest of this algorithm.
        public var hexLength: Int { self == .sha256 ? 64 : 128 }
    }

    /// The hash function.
    public let algorithm: Algorithm
    /// The hash in lower-case hexadecimal digits, of exactly the algorithm's length.
    public let hex: String

    /// Parses `sha256:<64 hex digits>` or `sha512:<128 hex digits>`; upper-case digits are refused, as the spec says.
    public init(parsing text: some StringProtocol) throws(DigestError) { try self.init(spelled: String(text)) }

    /// Makes a digest of an algorithm and its hexadecimal digits.
    public init(_ algorithm: Algorithm, hex: some StringProtocol) throws(DigestError) {
        try self.init(algorithm, digits: String(hex))
    }

    // Not generic from here on: a listing parses thousands, and each digit would cost a call through a witness.

    private init(spelled text: String) throws(DigestError) {
        guard let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")) else {
            throw .malformed(String(text.prefix(200)))
        }
        guard let algorithm = Algorithm(rawValue: String(text[..<colon])) else {
            throw .unsupportedAlgorithm(String(text[..<colon].prefix(64)))
        }
        try self.init(algorithm, digits: String(text[text.utf8.index(after: colon)...]))
    }

    private init(_ algorithm: Algorithm, digits: String) throws(DigestError) {
        var isGood = digits.utf8.count == algorithm.hexLength
        for digit in digits.utf8 where !((48...57).contains(digit) || (97...102).contains(digit)) { isGood = false }
        if !isGood { throw .malformed("\(algorithm.rawValue):\(digits.prefix(140))") }
        self.algorithm = algorithm
        hex = digits
    }

    /// The SHA-256 digest that a finished hasher gives.
    public init(_ hash: SHA256Digest) {
        algorithm = .sha256
        hex = Digest.hexadecimal(hash)
    }

    /// The SHA-512 digest that a finished hasher gives.
    public init(_ hash: SHA512Digest) {
        algorithm = .sha512
        hex = Digest.hexadecimal(hash)
    }

    /// The SHA-256 digest of bytes in memory.
    public static func sha256(of bytes: some Sequence<UInt8>) -> Digest {
        Digest(SHA256.hash(data: Array(bytes)))
    }

    /// The first twelve digits, as docker shows them.
    public var short: String { String(hex.prefix(12)) }

    /// Orders by the digest's text.
    public static func < (left: Digest, right: Digest) -> Bool {
        left.algorithm == right.algorithm
            ? left.hex < right.hex : left.algorithm.rawValue < right.algorithm.rawValue
    }

    private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(128)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

extension Digest: CustomStringConvertible, Codable {
    /// `algorithm:hex`.
    public var description: String { "\(algorithm.rawValue):\(hex)" }

    /// Decodes from one string.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        try self.init(parsing: container.decode(String.self))
    }

    /// Encodes as one string.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// Why a text is no digest.
public enum DigestError: Error, Equatable, CustomStringConvertible {
    /// The text is not `algorithm:hex`, or has not the algorithm's number of lower-case hexadecimal digits.
    case malformed(String)
    /// The algorithm is neither sha256 nor sha512.
    case unsupportedAlgorithm(String)

    /// A sentence for people.
    public var description: String {
        switch self {
        case .malformed(let text):
            "invalid digest `\(text)`: want sha256: and 64, or sha512: and 128, lower-case hex digits"
        case .unsupportedAlgorithm(let name): "unsupported digest algorithm `\(name)`: want sha256 or sha512"
        }
    }
}

/// Hashes bytes as they come, for whichever algorithm the expected digest names.
public struct DigestHasher: Sendable {
    private enum State: Sendable {
        case sha256(SHA256)
        case sha512(SHA512)
    }

    private var state: State

    /// Starts an empty hash.
    public init(_ algorithm: Digest.Algorithm = .sha256) {
        state = algorithm == .sha256 ? .sha256(SHA256()) : .sha512(SHA512())
    }

    /// Takes the next bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .sha256(var hash):
            state = .sha256(SHA256())  // keeps `hash` uniquely referenced: no copy of the state per update
            unsafe hash.update(bufferPointer: bytes)
            state = .sha256(hash)
        case .sha512(var hash):
            state = .sha512(SHA512())
            unsafe hash.update(bufferPointer: bytes)
            state = .sha512(hash)
        }
    }

    /// Takes the next bytes.
    public mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe update($0) }
    }

    /// The digest of all bytes taken so far.
    public func finalize() -> Digest {
        switch state {
        case .sha256(let hash): Digest(hash.finalize())
        case .sha512(let hash): Digest(hash.finalize())
        }
    }
}
