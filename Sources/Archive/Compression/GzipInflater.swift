import CIsal

/// Gzip by isa-l, any number of members.
///
/// The members' headers are read here: isa-l's own reader fails on a header checksum that comes in two pieces.
@safe final class GzipInflater: DecompressionEngine {
    private let state: UnsafeMutablePointer<inflate_state>
    /// The header on its way; nil inside a member.
    private var header: GzipHeader? = GzipHeader()
    private var hasMember = false
    private let verifiesChecksums: Bool
    /// Bytes of a trailer that isa-l does not take, where it does not verify it.
    private var trailerLeft = 0

    /// - Parameter verifyingChecksums: false leaves CRC and length of the members' trailers unread.
    init(verifyingChecksums: Bool) {
        verifiesChecksums = verifyingChecksums
        unsafe state = .allocate(capacity: 1)
        unsafe isal_inflate_init(state)
    }

    deinit { unsafe state.deallocate() }

    var isAtEnd: Bool { hasMember && header?.isEmpty == true && trailerLeft == 0 }

    /// CRC-32 and length (RFC 1952, 2.3.1).
    private static let trailerBytes = 8

    func step(
        _ input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DecompressionError) -> Int {
        if trailerLeft > 0 {
            let count = min(trailerLeft, input.count)
            trailerLeft -= count
            unsafe input = UnsafeRawBufferPointer(rebasing: input[count...])
            return 0
        }
        if header != nil {
            try unsafe takeHeader(&input)
            return 0
        }
        let count = min(input.count, 1 << 30)
        unsafe state.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        unsafe state.pointee.avail_in = UInt32(count)
        unsafe state.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        unsafe state.pointee.avail_out = UInt32(buffer.count)
        let code = unsafe isal_inflate(state)
        // From where isa-l stands: newer versions give back, at a member's end, what they read ahead in an earlier call.
        let left = unsafe Int(state.pointee.avail_in) + input.count - count
        unsafe input = UnsafeRawBufferPointer(start: state.pointee.next_in, count: left)
        switch code {
        case ISAL_DECOMP_OK: break
        case ISAL_INCORRECT_CHECKSUM: throw .checksumMismatch(.gzip)
        case ISAL_INVALID_BLOCK: throw .corrupt(.gzip, "an invalid block")
        case ISAL_INVALID_LOOKBACK: throw .corrupt(.gzip, "a reference before its beginning")
        default: throw .corrupt(.gzip, "an invalid code")
        }
        if unsafe state.pointee.block_state == ISAL_BLOCK_FINISH {
            hasMember = true
            header = GzipHeader()
            // What isa-l read ahead is at most the trailer; newer versions give it back themselves.
            let readAhead = unsafe Int(state.pointee.read_in_length) / 8
            trailerLeft = verifiesChecksums ? 0 : Self.trailerBytes - min(readAhead, Self.trailerBytes)
        }
        return unsafe buffer.count - Int(state.pointee.avail_out)
    }

    private func takeHeader(_ input: inout UnsafeRawBufferPointer) throws(DecompressionError) {
        guard var header else { return }
        var index = 0
        while index < input.count, !header.isComplete {
            guard unsafe header.take(input[index]) else {
                throw hasMember && header.isInMagic
                    ? .trailingGarbage(.gzip) : .corrupt(.gzip, "no valid header")
            }
            index += 1
        }
        unsafe input = UnsafeRawBufferPointer(rebasing: input[index...])
        guard header.isComplete else { return self.header = header }
        self.header = nil
        unsafe isal_inflate_reset(state)
        unsafe state.pointee.crc_flag = UInt32(verifiesChecksums ? ISAL_GZIP_NO_HDR_VER : ISAL_DEFLATE)
    }
}

/// A member's header (RFC 1952, 2.3), byte by byte.
struct GzipHeader {
    private enum Part { case fixed, extraLength, extra, name, comment, checksum, end }

    /// The most bytes of a header: its names have no limit of their own.
    private static let maximumSize = 128 << 10

    private var bytes: [UInt8] = []
    private var part = Part.fixed
    /// Bytes left of the part.
    private var left = 10

    var isEmpty: Bool { bytes.isEmpty }
    var isComplete: Bool { part == .end }
    var isInMagic: Bool { bytes.count <= 2 }

    /// Takes the next byte; false where it cannot stand there.
    mutating func take(_ byte: UInt8) -> Bool {
        bytes.append(byte)
        guard bytes.count <= GzipHeader.maximumSize else { return false }
        switch part {
        case .fixed:
            left -= 1
            switch bytes.count {
            case 1: return byte == 0x1F
            case 2: return byte == 0x8B
            case 3: return byte == 8
            case 4: return byte & 0xE0 == 0  // reserved flags
            default: if left == 0 { next(after: .fixed) }
            }
        case .extraLength:
            left -= 1
            if left == 0 {
                part = .extra
                left = Int(bytes[bytes.count - 2]) | Int(byte) << 8
                if left == 0 { next(after: .extra) }
            }
        case .extra:
            left -= 1
            if left == 0 { next(after: .extra) }
        case .name, .comment: if byte == 0 { next(after: part) }
        case .checksum:
            left -= 1
            if left == 0 {
                part = .end
                let stored = UInt16(bytes[bytes.count - 2]) | UInt16(byte) << 8
                return stored == UInt16(truncatingIfNeeded: checksum)
            }
        case .end: return false
        }
        return true
    }

    private mutating func next(after done: Part) {
        let flags = bytes[3]
        if done == .fixed, flags & 4 != 0 {
            (part, left) = (.extraLength, 2)
        } else if done != .name, done != .comment, flags & 8 != 0 {
            part = .name
        } else if done != .comment, flags & 16 != 0 {
            part = .comment
        } else if flags & 2 != 0 {
            (part, left) = (.checksum, 2)
        } else {
            part = .end
        }
    }

    private var checksum: UInt32 {
        unsafe bytes.withUnsafeBufferPointer { unsafe crc32_gzip_refl(0, $0.baseAddress, UInt64($0.count - 2)) }
    }
}
