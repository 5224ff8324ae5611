import Archive
import CMicro

/// Inputs of a fixed content, made anew in every run.
enum Inputs {
    /// What most layers hold: directories of small files with long paths.
    static let files = 2000

    /// An archive of `files` members in directories of 50, each of 1 to 3 KB.
    static let tar: [UInt8] = {
        var bytes: [UInt8] = []
        for number in 0..<files {
            let path = "usr/lib/python3/dist-packages/package\(number / 50)/module_\(number).py"
            if number % 50 == 0 {
                bytes += header("usr/lib/python3/dist-packages/package\(number / 50)/", size: 0, type: "5")
            }
            let content = text(1000 + number % 2000, seed: number)
            bytes += header(path, size: content.count, type: "0") + content
            bytes += [UInt8](repeating: 0, count: -content.count & 511)
        }
        return bytes + [UInt8](repeating: 0, count: 1024)
    }()

    static let gzip = packed { micro_gzip($0.baseAddress, $0.count, $1.baseAddress, $1.count) }
    static let zstd = packed { micro_zstd($0.baseAddress, $0.count, $1.baseAddress, $1.count) }

    /// Text that packs about as well as programs do.
    static func text(_ count: Int, seed: Int) -> [UInt8] {
        let words = [
            "import ", "return ", "self.", "value", " = ", "(", ")\n", "    ", "def ", "layer", "None", "_", "0x", ": ",
        ]
        var state = UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        var bytes: [UInt8] = []
        while bytes.count < count {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            bytes += Array(words[Int(state % UInt64(words.count))].utf8)
            if state & 7 == 0 { bytes.append(UInt8(truncatingIfNeeded: state >> 32)) }
        }
        return Array(bytes.prefix(count))
    }

    private static func header(_ path: String, size: Int, type: Character) -> [UInt8] {
        var block = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            block.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
        }
        func octal(_ number: Int, _ width: Int) -> String {
            let digits = String(number, radix: 8)
            return String(repeating: "0", count: width - digits.utf8.count) + digits
        }
        put(path, at: 0)
        put(type == "5" ? "0000755" : "0000644", at: 100)
        put("0000000", at: 108)
        put("0000000", at: 116)
        put(octal(size, 11), at: 124)
        put(octal(1_700_000_000, 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar\u{0}00", at: 257)
        put(octal(block.reduce(0) { $0 + Int($1) }, 6) + "\u{0} ", at: 148)
        return block
    }

    private static func packed(_ pack: (UnsafeRawBufferPointer, UnsafeMutableRawBufferPointer) -> Int) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: tar.count + 4096)
        let count = tar.withUnsafeBytes { tar in out.withUnsafeMutableBytes { pack(tar, $0) } }
        precondition(count > 0, "an input could not be packed")
        return Array(out.prefix(count))
    }

    static let references = [
        "alpine", "alpine:3.15", "library/debian", "docker.io/library/python:3.12-slim", "localhost:5000/team/app",
        "registry.example.org:8443/group/sub/image:v1.2.3-rc.1_build",
        "ghcr.io/owner/name@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "quay.io/a/b:tag@sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210",
    ]

    static let digests = (0..<20).map { number in
        "sha256:" + String(repeating: "0", count: 62) + (number < 10 ? "0" : "") + String(number)
    }

    /// Of an image of 20 layers.
    static let manifest: [UInt8] = {
        let layers = digests.map {
            #"{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"\#($0)","size":12345678}"#
        }
        let config = #"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\#(digests[0])","size":4321}"#
        return Array(
            #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":\#(config),"layers":[\#(layers.joined(separator: ","))]}"#
                .utf8)
    }()

    /// Of the same image, with its history.
    static let config: [UInt8] = {
        let history = digests.map { _ in
            #"{"created":"2024-05-01T10:00:00.123456789Z","created_by":"RUN /bin/sh -c apt-get update && apt-get install -y curl","comment":"buildkit"}"#
        }
        let diffIDs = digests.map { "\"\($0)\"" }
        let container =
            #"{"Env":["PATH=/usr/local/bin:/usr/bin:/bin","LANG=C.UTF-8"],"Cmd":["python3"],"WorkingDir":"/app","Labels":{"a":"b"}}"#
        return Array(
            #"{"architecture":"amd64","os":"linux","created":"2024-05-01T10:00:00Z","config":\#(container),"rootfs":{"type":"layers","diff_ids":[\#(diffIDs.joined(separator: ","))]},"history":[\#(history.joined(separator: ","))]}"#
                .utf8)
    }()
}
