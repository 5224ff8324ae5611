/// Feeds a target its seeds, damaged in ways that are the same on every run.
package struct MutationRun {
    /// An input that broke a property.
    package struct Failure: Error, CustomStringConvertible {
        package var target: String
        package var input: [UInt8]
        package var error: any Error
        package var description: String {
            let hex = input.prefix(4096).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            return "\(target): \(error), for \(input.count) bytes \(hex)"
        }
    }

    private var state: UInt64

    package init(seed: UInt64 = 1) { state = seed }

    /// Runs a target on its seeds as they are, cut short everywhere or at some places, and on so many mutants.
    package mutating func run(_ target: FuzzTarget, mutants: Int) throws {
        let seeds = try target.seeds()
        for seed in seeds {
            try check(target, seed)
            let step = max(1, seed.count / 64)
            for length in stride(from: 0, to: seed.count, by: step) { try check(target, Array(seed.prefix(length))) }
        }
        for number in 0..<mutants {
            var input = seeds[number % seeds.count]
            for _ in 0...below(4) { mutate(&input, others: seeds) }
            try check(target, input)
        }
    }

    private func check(_ target: FuzzTarget, _ input: [UInt8]) throws {
        do { try target.run(input) } catch {
            throw Failure(target: target.description, input: input, error: error)
        }
    }

    /// SplitMix64.
    private mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    private mutating func below(_ limit: Int) -> Int { limit > 0 ? Int(next() % UInt64(limit)) : 0 }

    private static let telling: [UInt8] = [0, 1, 0x20, 0x22, 0x2C, 0x2F, 0x30, 0x39, 0x3D, 0x7F, 0x80, 0xFF]

    private mutating func mutate(_ bytes: inout [UInt8], others: [[UInt8]]) {
        let place = below(bytes.count)
        let length = min(1 + below(16), bytes.count - place)
        switch below(8) {
        case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8(below(8))
        case 1 where !bytes.isEmpty: bytes[place] = UInt8(truncatingIfNeeded: next())
        case 2 where !bytes.isEmpty: bytes[place] = Self.telling[below(Self.telling.count)]
        case 3: bytes.removeSubrange(place..<place + length)
        case 4: bytes.insert(contentsOf: bytes[place..<place + length], at: below(bytes.count))
        case 5: bytes.insert(UInt8(truncatingIfNeeded: next()), at: place)
        case 6:
            let other = others[below(others.count)]
            let start = below(other.count)
            bytes.replaceSubrange(place..<place + length, with: other[start..<min(other.count, start + 1 + below(64))])
        default:
            // A number of four bytes, of the kind that overflows.
            let number = [UInt32.max, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF, 0x1_0000, 0][below(6)]
            for index in 0..<4 where place + index < bytes.count {
                bytes[place + index] = UInt8(truncatingIfNeeded: number >> UInt32(8 * index))
            }
        }
    }
}
