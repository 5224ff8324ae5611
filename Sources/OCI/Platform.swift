/// Where an image runs: operating system, architecture and variant. Implements image-spec image-index.md "platform"
/// with the normalisation that docker's users know (`x86_64` is `amd64`, `aarch64` is `arm64`).
public struct Platform: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The operating system, `linux`.
    public var os: String
    /// The architecture in Go's words: `amd64`, `arm64`, `arm`, `s390x`.
    public var architecture: String
    /// The architecture's variant, `v7`; nil where the architecture has one baseline.
    public var variant: String?
    /// The operating system's version (Windows).
    public var osVersion: String?
    /// Required features of the operating system (Windows).
    public var osFeatures: [String]?

    private enum CodingKeys: String, CodingKey {
        case os, architecture, variant
        case osVersion = "os.version"
        case osFeatures = "os.features"
    }

    /// Makes a platform of already normalised words.
    public init(os: String, architecture: String, variant: String? = nil, osVersion: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant
        self.osVersion = osVersion
    }

    /// The platform of this machine.
    public static let current: Platform = {
        #if arch(x86_64)
        Platform(os: "linux", architecture: "amd64")
        #elseif arch(arm64)
        Platform(os: "linux", architecture: "arm64")
        #elseif arch(arm)
        Platform(os: "linux", architecture: "arm", variant: "v7")
        #elseif arch(s390x)
        Platform(os: "linux", architecture: "s390x")
        #elseif arch(powerpc64le)
        Platform(os: "linux", architecture: "ppc64le")
        #elseif arch(riscv64)
        Platform(os: "linux", architecture: "riscv64")
        #else
        #error("unknown architecture: name it here in Go's words")
        #endif
    }()

    /// Parses `os`, `arch`, `os/arch` or `os/arch/variant` as docker's `--platform` does; a part left out is this machine's.
    public init(parsing text: String) throws(PlatformError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let allowed = { (part: String) in
            !part.isEmpty
                && part.utf8.allSatisfy {
                    (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                        || "_.-".utf8.contains($0)
                }
        }
        guard (1...3).contains(parts.count), parts.allSatisfy(allowed), text.utf8.count <= 128 else {
            throw .malformed(text)
        }
        if parts.count == 1 {
            let word = parts[0].lowercased()
            if Self.knownSystems.contains(word) || word == "macos" {
                self.init(os: word, architecture: Platform.current.architecture, variant: Platform.current.variant)
            } else {
                let normalised = Platform(os: Platform.current.os, architecture: word).normalized
                guard Self.knownArchitectures.contains(normalised.architecture) else { throw .unknown(text) }
                self = normalised
                return
            }
        } else {
            self.init(os: parts[0], architecture: parts[1], variant: parts.count == 3 ? parts[2] : nil)
        }
        self = normalized
    }

    /// The same platform in the words that images use.
    public var normalized: Platform {
        var result = self
        result.os = os.lowercased()
        if result.os == "macos" { result.os = "darwin" }
        result.architecture = architecture.lowercased()
        let given = variant?.lowercased()
        result.variant = given
        switch result.architecture {
        case "i386", "x86":
            result.architecture = "386"
            result.variant = nil
        case "x86_64", "x86-64", "amd64":
            result.architecture = "amd64"
            if given == "v1" { result.variant = nil }
        case "aarch64", "arm64":
            result.architecture = "arm64"
            if given == "8" || given == "v8" || given == "v8.0" { result.variant = nil }
            if given == "9" || given == "9.0" || given == "v9.0" { result.variant = "v9" }
        case "armhf":
            result.architecture = "arm"
            result.variant = "v7"
        case "armel":
            result.architecture = "arm"
            result.variant = "v6"
        case "arm":
            switch given {
            case nil, "", "7": result.variant = "v7"
            case "5", "6", "8": result.variant = given.map { "v\($0)" }
            default: break
            }
        default: break
        }
        if result.variant == "" { result.variant = nil }
        return result
    }

    /// `os/arch` or `os/arch/variant`.
    public var description: String { ([os, architecture] + (variant.map { [$0] } ?? [])).joined(separator: "/") }

    /// The platforms whose programs run where this one is asked for, best first: itself, then older variants, then the
    /// 32-bit architecture that the processor also executes.
    public var candidates: [Platform] {
        let me = normalized
        var list = [me]
        func add(_ architecture: String, _ variants: [String?]) {
            list += variants.map { Platform(os: me.os, architecture: architecture, variant: $0) }
        }
        func older(than variant: String?, floor: Int) -> [String?] {
            guard let variant, let number = Int(variant.dropFirst().prefix { $0 != "." }), number > floor else {
                return []
            }
            return (floor..<number).reversed().map { "v\($0)" }
        }
        switch me.architecture {
        case "amd64":
            add("amd64", older(than: me.variant, floor: 2))
            if me.variant != nil { add("amd64", [nil]) }
            add("386", [nil])
        case "arm64":
            if me.variant != nil { add("arm64", [nil]) }
            add("arm", ["v8", "v7", "v6", "v5"])
        case "arm": add("arm", older(than: me.variant, floor: 5))
        default: break
        }
        return list
    }

    /// The best entry of an index for this platform; nil where none runs on it. Attestations (`unknown/unknown`) never match.
    public func select(from descriptors: [Descriptor]) -> Descriptor? {
        for candidate in candidates {
            for descriptor in descriptors {
                guard let platform = descriptor.platform?.normalized else { continue }
                if platform.os == candidate.os, platform.architecture == candidate.architecture,
                    platform.variant == candidate.variant
                {
                    return descriptor
                }
            }
        }
        return nil
    }

    /// Whether an image of that platform runs where this one is asked for.
    public func accepts(_ other: Platform) -> Bool {
        let other = other.normalized
        return candidates.contains {
            $0.os == other.os && $0.architecture == other.architecture && $0.variant == other.variant
        }
    }

    private static let knownSystems: Set<String> = [
        "aix", "android", "darwin", "dragonfly", "freebsd", "illumos", "ios", "js", "linux", "netbsd", "openbsd",
        "plan9",
        "solaris", "wasip1", "windows", "zos",
    ]
    private static let knownArchitectures: Set<String> = [
        "386", "amd64", "arm", "arm64", "loong64", "mips", "mipsle", "mips64", "mips64le", "ppc64", "ppc64le", "riscv",
        "riscv64", "s390", "s390x", "sparc64", "wasm",
    ]
}

/// Why a text is no platform.
public enum PlatformError: Error, Equatable, CustomStringConvertible {
    /// Not `os[/arch[/variant]]`.
    case malformed(String)
    /// One word that is neither an operating system nor an architecture.
    case unknown(String)

    /// A sentence for people.
    public var description: String {
        switch self {
        case .malformed(let text):
            "`\(text.prefix(140))`: invalid platform: want os[/arch[/variant]], as in linux/arm64/v8"
        case .unknown(let text): "`\(text)`: unknown operating system or architecture: invalid argument"
        }
    }
}
