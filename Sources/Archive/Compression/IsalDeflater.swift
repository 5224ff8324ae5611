import CIsal

/// Gzip by isa-l's level 2: the levels around it are no faster, or half as fast for two per cent.
@safe final class IsalDeflater: CompressionEngine {
    /// ISAL_DEF_LVL2_EXTRA_LARGE, which the importer cannot work out.
    private static let workSpace = (4 + 64 + 512) << 10

    private let stream: UnsafeMutablePointer<isal_zstream>
    private let work: UnsafeMutablePointer<UInt8>

    init() {
        unsafe stream = .allocate(capacity: 1)
        unsafe work = .allocate(capacity: IsalDeflater.workSpace)
        unsafe isal_deflate_init(stream)
        unsafe stream.pointee.gzip_flag = UInt16(IGZIP_GZIP)
        unsafe stream.pointee.level = 2
        unsafe stream.pointee.level_buf = unsafe work
        unsafe stream.pointee.level_buf_size = UInt32(IsalDeflater.workSpace)
    }

    deinit {
        unsafe stream.deallocate()
        unsafe work.deallocate()
    }

    func step(
        _ input: inout UnsafeRawBufferPointer, isLast: Bool, into buffer: UnsafeMutableRawBufferPointer
    ) -> (produced: Int, isDone: Bool) {
        unsafe stream.pointee.next_in = UnsafeMutablePointer(
            mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
        unsafe stream.pointee.avail_in = UInt32(input.count)
        unsafe stream.pointee.end_of_stream = isLast ? 1 : 0
        unsafe stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        unsafe stream.pointee.avail_out = UInt32(buffer.count)
        let code = unsafe isal_deflate(stream)
        precondition(code == COMP_OK, "isa-l refuses its own settings: \(code)")
        let left = unsafe Int(stream.pointee.avail_in)
        let produced = unsafe buffer.count - Int(stream.pointee.avail_out)
        unsafe input = UnsafeRawBufferPointer(rebasing: input[(input.count - left)...])
        if isLast { return (produced, unsafe stream.pointee.internal_state.state == ZSTATE_END) }
        // A full buffer may have left some inside the engine.
        return (produced, left == 0 && produced < buffer.count)
    }
}
