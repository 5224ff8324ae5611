import CZstd

/// Zstandard by libzstd, one frame with a checksum.
@safe final class ZstdDeflater: CompressionEngine {
    private let context: OpaquePointer?

    init(level: Int) {
        unsafe context = ZSTD_createCCtx()
        _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(level))
        _ = unsafe ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    }

    deinit { _ = unsafe ZSTD_freeCCtx(context) }

    func step(
        _ input: inout UnsafeRawBufferPointer, isLast: Bool, into buffer: UnsafeMutableRawBufferPointer
    ) -> (produced: Int, isDone: Bool) {
        var source = unsafe ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = unsafe ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
        let left = unsafe ZSTD_compressStream2(context, &target, &source, isLast ? ZSTD_e_end : ZSTD_e_continue)
        precondition(ZSTD_isError(left) == 0, unsafe String(cString: ZSTD_getErrorName(left)))
        unsafe input = UnsafeRawBufferPointer(rebasing: input[source.pos...])
        let isDone = unsafe isLast ? left == 0 : input.count == 0 && target.pos < buffer.count
        return (unsafe target.pos, isDone)
    }
}
