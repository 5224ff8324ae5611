/// Takes a layer image while it is made.
///
/// The image comes front to back in whole blocks of 4096 bytes: every byte from 4096 on exactly once and in order, the
/// first block at the very end, so an image without its first block is one that was not finished. An output that compares
/// instead of writing therefore sees every byte of the image.
public protocol LayerOutput {
    /// The image's bytes at an offset: whole blocks. Valid in the call only.
    mutating func write(_ bytes: UnsafeRawBufferPointer, at offset: UInt64) throws
    /// The image holds `count` zeros at an offset, whole blocks of them: nothing to write in a file that starts empty.
    mutating func writeZeros(_ count: UInt64, at offset: UInt64) throws
}
