import CZlib

/// Gzip by zlib, for those who ask for one of its levels.
@safe final class ZlibDeflater: CompressionEngine {
    private let stream: UnsafeMutablePointer<z_stream>

    init(level: Int) {
        unsafe stream = .allocate(capacity: 1)
        unsafe stream.initialize(to: z_stream())
        // 15 bits of window, and 16 for gzip's header: without time and name.
        let code = unsafe deflateInit2_(
            stream, Int32(level), Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        precondition(code == Z_OK, "zlib cannot start: \(code)")
    }

    deinit {
        unsafe deflateEnd(stream)
        unsafe stream.deallocate()
    }

    func step(
        _ input: inout UnsafeRawBufferPointer, isLast: Bool, into buffer: UnsafeMutableRawBufferPointer
    ) -> (produced: Int, isDone: Bool) {
        unsafe stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        unsafe stream.pointee.avail_out = UInt32(buffer.count)
        let code = unsafe deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
        // Z_BUF_ERROR says that there was nothing to do.
        precondition(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR, "zlib lost its state: \(code)")
        let left = unsafe Int(stream.pointee.avail_in)
        let produced = unsafe buffer.count - Int(stream.pointee.avail_out)
        unsafe input = UnsafeRawBufferPointer(rebasing: input[(input.count - left)...])
        return (produced, isLast ? code == Z_STREAM_END : left == 0 && produced < buffer.count)
    }
}
