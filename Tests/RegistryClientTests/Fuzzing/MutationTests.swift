import TestSupport
import Testing

/// A short and always equal run of the fuzz targets: `make fuzz` runs them for longer and with coverage.
@Suite struct RegistryClientMutationTests {
    @Test(arguments: RegistryClientTargets.all) func propertiesHoldForDamagedInput(_ target: FuzzTarget) throws {
        var run = MutationRun()
        try run.run(target, mutants: 1500)
    }
}
