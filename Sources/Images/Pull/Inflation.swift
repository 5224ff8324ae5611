/// How far a layer may grow when it is inflated.
///
/// A deflate stream can grow 1,032 times and a zstd stream far more, so a blob of a few megabytes could fill any disk.
/// Layers of real images grow 2 to 10 times. Up to `floor` bytes a layer may grow as it likes; beyond, only `ratio` times
/// its blob's size. Apart from that the disk is never filled to its last byte: see `SpaceGuard`.
package struct InflationLimit: Sendable {
    package var floor: Int64
    package var ratio: Int64

    package init(floor: Int64 = 4 << 30, ratio: Int64 = 200) {
        self.floor = floor
        self.ratio = ratio
    }

    /// The most bytes that a blob of some size may become.
    func bytes(for compressed: Int64) -> Int64 {
        let grown = compressed.multipliedReportingOverflow(by: ratio)
        return max(floor, grown.overflow ? .max : grown.partialValue)
    }
}
