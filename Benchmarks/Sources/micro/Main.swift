import CMicro

/// `micro` lists the benchmarks; `micro NAME` runs one and prints the allocations that it took. Instructions are counted
/// from outside, between entry and return of `micro_measured`: see `scripts/check-micro`.
@main struct Main {
    static func main() throws {
        guard CommandLine.arguments.count > 1 else { return print(Benchmark.all.map(\.name).joined(separator: "\n")) }
        let name = CommandLine.arguments[1]
        guard let benchmark = Benchmark.all.first(where: { $0.name == name }) else {
            fatalError("no benchmark `\(name)`")
        }
        // The first time makes the inputs and whatever the process makes once.
        let expected = try benchmark.run()
        let before = micro_allocations()
        let result = try measured(benchmark)
        let allocations = micro_allocations() - before
        guard result == expected, result > 0 else { fatalError("`\(name)` gave \(result), then \(expected)") }
        print(allocations)
    }
}

/// What goes in and out of a function that C can call.
private enum Measurement {
    nonisolated(unsafe) static var benchmark: Benchmark?
    nonisolated(unsafe) static var result: Result<Int, any Error> = .success(0)
}

private func measured(_ benchmark: Benchmark) throws -> Int {
    Measurement.benchmark = benchmark
    micro_measured { Measurement.result = Result { try Measurement.benchmark.map { try $0.run() } ?? 0 } }
    return try Measurement.result.get()
}
