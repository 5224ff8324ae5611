import TestSupport
import Testing

/// A short and always equal run of the fuzz targets: `make fuzz` runs them for longer and with coverage.
@Suite struct ArchiveMutationTests {
    @Test(arguments: ArchiveTargets.all) func propertiesHoldForDamagedInput(_ target: FuzzTarget) throws {
        var run = MutationRun()
        // Packing is slow, and nothing that anybody sends.
        try run.run(target, mutants: target.description == "packed" ? 20 : 1500)
    }
}
