import CZstd

/// Zstandard by libzstd: any number of frames, skippable ones among them.
@safe final class ZstdInflater: DecompressionEngine {
    private let context: OpaquePointer?
    private(set) var isAtEnd = false

    init() {
        unsafe context = ZSTD_createDCtx()
        var windowLog: Int32 = 0
        while 1 << windowLog < Decompressor.maximumWindow { windowLog += 1 }
        _ = unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, windowLog)
    }

    deinit { _ = unsafe ZSTD_freeDCtx(context) }

    func step(
        _ input: inout UnsafeRawBufferPointer, into buffer: UnsafeMutableRawBufferPointer
    ) throws(DecompressionError) -> Int {
        var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = unsafe ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
        let wasAtEnd = isAtEnd
        let result = unsafe ZSTD_decompressStream(context, &target, &source)
        if ZSTD_isError(result) != 0 {
            switch ZSTD_getErrorCode(result) {
            case ZSTD_error_frameParameter_windowTooLarge: throw .windowTooLarge
            case ZSTD_error_checksum_wrong: throw .checksumMismatch(.zstd)
            case ZSTD_error_prefix_unknown where wasAtEnd: throw .trailingGarbage(.zstd)
            default: throw .corrupt(.zstd, unsafe String(cString: ZSTD_getErrorName(result)))
            }
        }
        // A call that does nothing answers with what it would like next, not with where it is.
        if unsafe source.pos > 0 || target.pos > 0 { isAtEnd = result == 0 }
        unsafe input = UnsafeRawBufferPointer(rebasing: input[source.pos...])
        return unsafe target.pos
    }
}
