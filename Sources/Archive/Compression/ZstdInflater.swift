import CZstd

/// Zstandard by libzstd: any number of frames, skippable ones among them.
///
/// Each frame's header is gathered here and given whole:
/// - libzstd also reads the formats from before its first version, by code that nobody needs and few have looked at;
/// - where a header comes in pieces and the rest at once, libzstd 1.5 may take the middle of a frame for its beginning.
@safe final class ZstdInflater: DecompressionEngine {
    private let context: OpaquePointer?
    /// The header of the next frame, as far as it came; nil inside a frame.
    private var header: [UInt8]? = []
    private var hasFrame = false

    private static let frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD]
    private static let skippable: [UInt8] = [0x50, 0x2A, 0x4D, 0x18]

    init() {
        unsafe context = ZSTD_createDCtx()
        var windowLog: Int32 = 0
        while 1 << windowLog < Decompressor.maximumWindow { windowLog += 1 }
        _ = unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)
    }

    deinit { _ = unsafe ZSTD_freeDCtx(context) }

    var isAtEnd: Bool { hasFrame && header?.isEmpty == true }

    func step(
        _ input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DecompressionError) -> Int {
        if header != nil {
            try unsafe takeHeader(&input)
            return 0
        }
        return try unsafe decode(&input, into: buffer)
    }

    private func takeHeader(_ input: inout UnsafeRawBufferPointer) throws(DecompressionError) {
        guard var header else { return }
        while header.count < ZstdInflater.size(of: header), let byte = unsafe input.first {
            header.append(byte)
            // A skippable frame's number is in the low half of its first byte.
            let isSkippable = header[0] & 0xF0 == ZstdInflater.skippable[0]
            let magic = isSkippable ? ZstdInflater.skippable : ZstdInflater.frame
            guard header.count > 4 || byte == magic[header.count - 1] || (header.count == 1 && isSkippable) else {
                throw hasFrame ? .trailingGarbage(.zstd) : .corrupt(.zstd, "no frame begins here")
            }
            unsafe input = UnsafeRawBufferPointer(rebasing: input.dropFirst())
        }
        guard header.count == ZstdInflater.size(of: header) else { return self.header = header }
        self.header = nil
        hasFrame = true
        try unsafe header.withUnsafeBufferPointer { bytes throws(DecompressionError) in
            var bytes = UnsafeRawBufferPointer(bytes)
            let nowhere = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
            while bytes.count > 0 { _ = try unsafe decode(&bytes, into: nowhere) }
        }
    }

    /// How many bytes a header has that begins so (RFC 8878, 3.1.1.1 and 3.1.2).
    private static func size(of header: [UInt8]) -> Int {
        guard header.count > 4 else { return 5 }
        guard header[0] == frame[0] else { return 8 }
        let isSingleSegment = header[4] & 0x20 != 0
        let dictionary = [0, 1, 2, 4][Int(header[4] & 3)]
        let contentSize = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(header[4] >> 6)]
        return 5 + (isSingleSegment ? 0 : 1) + dictionary + contentSize
    }

    private func decode(
        _ input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DecompressionError) -> Int {
        var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = unsafe ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
        let result = unsafe ZSTD_decompressStream(context, &target, &source)
        if ZSTD_isError(result) != 0 {
            switch ZSTD_getErrorCode(result) {
            case ZSTD_error_frameParameter_windowTooLarge: throw .windowTooLarge
            case ZSTD_error_checksum_wrong: throw .checksumMismatch(.zstd)
            default: throw .corrupt(.zstd, unsafe String(cString: ZSTD_getErrorName(result)))
            }
        }
        // A call that does nothing answers with what it would like next, not with where it is.
        if unsafe result == 0 && (source.pos > 0 || target.pos > 0) { header = [] }
        unsafe input = UnsafeRawBufferPointer(rebasing: input[source.pos...])
        return unsafe target.pos
    }
}
