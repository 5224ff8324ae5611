import CZstd

/// Zstandard by libzstd: any number of frames, skippable ones among them.
///
/// Each frame's magic number is looked at here: libzstd also reads the formats from before its first version, by code that
/// nobody needs and few have looked at.
@safe final class ZstdInflater: DecompressionEngine {
    private let context: OpaquePointer?
    /// The magic number of the next frame, as far as it came; nil inside a frame.
    private var magic: [UInt8]? = []
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

    var isAtEnd: Bool { hasFrame && magic?.isEmpty == true }

    func step(
        _ input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DecompressionError) -> Int {
        if magic != nil {
            try unsafe takeMagic(&input)
            return 0
        }
        return try unsafe decode(&input, into: buffer)
    }

    private func takeMagic(_ input: inout UnsafeRawBufferPointer) throws(DecompressionError) {
        guard var magic else { return }
        while magic.count < 4, let byte = unsafe input.first {
            magic.append(byte)
            // A skippable frame's number is in the low half of its first byte.
            let kind = magic[0] & 0xF0 == ZstdInflater.skippable[0] ? ZstdInflater.skippable : ZstdInflater.frame
            guard
                magic.count == 1 ? magic[0] == kind[0] || kind == ZstdInflater.skippable : byte == kind[magic.count - 1]
            else { throw hasFrame ? .trailingGarbage(.zstd) : .corrupt(.zstd, "no frame begins here") }
            unsafe input = UnsafeRawBufferPointer(rebasing: input.dropFirst())
        }
        guard magic.count == 4 else { return self.magic = magic }
        self.magic = nil
        hasFrame = true
        try unsafe magic.withUnsafeBufferPointer { bytes throws(DecompressionError) in
            var bytes = UnsafeRawBufferPointer(bytes)
            let nowhere = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
            while bytes.count > 0 { _ = try unsafe decode(&bytes, into: nowhere) }
        }
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
        if unsafe result == 0 && (source.pos > 0 || target.pos > 0) { magic = [] }
        unsafe input = UnsafeRawBufferPointer(rebasing: input[source.pos...])
        return unsafe target.pos
    }
}
