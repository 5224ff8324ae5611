import Archive

/// Where the next stored byte of a file goes: the runs of a sparse one follow each other in the archive.
struct RunCursor: Sendable {
    /// What an image can hold, so that both drivers take the same layers.
    private static let maximumSize: Int64 = 16 << 40

    /// Not empty, ascending, within the file.
    let runs: [TarEntry.Extent]
    let size: Int64
    private let path: String
    private var index = 0
    private var done: Int64 = 0

    /// - Throws: `LayerError.invalidSparseMap`, `.tooLarge`.
    init(_ entry: TarEntry) throws(LayerError) {
        path = String(decoding: entry.path, as: UTF8.self)
        size = entry.size
        guard size <= Self.maximumSize else { throw .tooLarge(path: path) }
        var end: Int64 = 0
        for run in entry.sparse ?? [] {
            guard run.offset >= end, run.offset <= size, run.length >= 0, run.length <= size - run.offset else {
                throw .invalidSparseMap(path: path)
            }
            end = run.offset + run.length
        }
        let whole = [TarEntry.Extent(offset: 0, length: size)]
        runs = (entry.sparse ?? whole).filter { $0.length > 0 }
    }

    var isComplete: Bool { index == runs.count }

    /// Takes up to `count` bytes: where they go, and how many of them.
    mutating func take(_ count: Int) throws(LayerError) -> (offset: Int64, count: Int) {
        guard index < runs.count else { throw .dataLengthMismatch(path: path) }
        let run = runs[index]
        let offset = run.offset + done
        let taken = min(run.length - done, Int64(count))
        done += taken
        if done == run.length {
            index += 1
            done = 0
        }
        return (offset, Int(taken))
    }
}
