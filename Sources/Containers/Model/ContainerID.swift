/// A container's identity: 64 hexadecimal digits, as docker's.
package struct ContainerID: Sendable, Hashable, Codable, CustomStringConvertible {
    package let hex: String

    /// A new, random one.
    package init() {
        var digits = ""
        for _ in 0..<4 {
            let word = String(UInt64.random(in: .min ... .max), radix: 16)
            digits += String(repeating: "0", count: 16 - word.count) + word
        }
        hex = digits
    }

    /// Parses all 64 digits; nil for anything else.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == 64, text.utf8.allSatisfy(Self.isDigit) else { return nil }
        hex = String(text)
    }

    package init(from decoder: any Decoder) throws {
        let values = try decoder.singleValueContainer()
        guard let id = ContainerID(try values.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: values, debugDescription: "not a container ID")
        }
        self = id
    }

    package func encode(to encoder: any Encoder) throws {
        var values = encoder.singleValueContainer()
        try values.encode(hex)
    }

    /// The twelve digits that lists show.
    package var short: String { String(hex.prefix(12)) }
    package var description: String { hex }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

/// Names of containers: docker's grammar and made-up ones.
package enum ContainerName {
    /// Checks a name a person chose; a leading slash is dropped as docker does.
    package static func parse(_ text: String) throws(ContainerError) -> String {
        let name = text.hasPrefix("/") ? String(text.dropFirst()) : text
        if !isValid(name) {
            throw ContainerError(
                .invalid,
                "Invalid container name (\(text)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        }
        return name
    }

    static func isValid(_ name: String) -> Bool {
        func isAlphanumeric(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"):
                true
            default: false
            }
        }
        guard name.utf8.count >= 2, name.utf8.count <= 128, let first = name.utf8.first, isAlphanumeric(first) else {
            return false
        }
        return name.utf8.allSatisfy { isAlphanumeric($0) || "_.-".utf8.contains($0) }
    }

    /// A made-up name; after some tries with a number, so that there is always one left.
    static func random(attempt: Int) -> String {
        let first = adjectives.randomElement() ?? "plain"
        let second = things.randomElement() ?? "box"
        return attempt < 4 ? "\(first)_\(second)" : "\(first)_\(second)\(Int.random(in: 0...99_999))"
    }

    private static let adjectives = words(
        """
        amber ample bold brave breezy bright brisk calm candid cheery clever cosy crisp curious dapper deft eager early
        easy fair fancy fleet fresh frosty gentle glad golden grand happy hardy honest humble jolly keen kind lively loyal
        lucky mellow merry mild misty modest neat nimble noble patient plucky polite proud quick quiet rapid ready rosy
        serene sharp shiny sleek smart snug solid spry steady stoic sunny swift tidy tranquil upbeat vivid warm wise witty
        zesty
        """)
    private static let things = words(
        """
        acorn alder anchor aspen badger beacon beech birch bison brook canyon cedar cliff clover comet condor coral crane
        creek cypress dolphin dune egret ember falcon fern finch fjord forest gannet garnet glacier grove gull harbor hawk
        hazel heron ibis island jasmine juniper kestrel lagoon lark larch laurel lichen lotus lynx maple marlin marten
        meadow mesa moss nebula newt oak ocean orchid osprey otter owl pebble pine plover pond poplar quartz raven reef
        ridge river robin rowan sage salmon seal shore sparrow spruce squall stork summit swan tern thistle tide tundra
        valley walnut willow wren yarrow
        """)

    private static func words(_ text: String) -> [Substring] { text.split { $0 == " " || $0 == "\n" } }
}
