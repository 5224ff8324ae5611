/// A parser and what must hold for any bytes it is given. The package in `Fuzz/` runs the same targets under libFuzzer.
package struct FuzzTarget: Sendable, CustomStringConvertible {
    /// A property that does not hold: the parser is wrong, not its input.
    package struct Broken: Error, CustomStringConvertible {
        package var description: String
    }

    package let description: String
    /// Real inputs to begin from.
    package let seeds: @Sendable () throws -> [[UInt8]]
    /// Throws where a property is broken; what the parser refuses is no failure.
    package let run: @Sendable ([UInt8]) throws -> Void

    package init(
        _ name: String, seeds: @escaping @Sendable () throws -> [[UInt8]],
        run: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        (description, self.seeds, self.run) = (name, seeds, run)
    }

    package init(_ name: String, seeds: [String], run: @escaping @Sendable ([UInt8]) throws -> Void) {
        self.init(name, seeds: { seeds.map { Array($0.utf8) } }, run: run)
    }
}

/// Says that a property must hold.
package func hold(_ condition: Bool, _ what: @autoclosure () -> String) throws(FuzzTarget.Broken) {
    if !condition { throw FuzzTarget.Broken(description: what()) }
}
