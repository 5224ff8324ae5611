/// Where the store is and how it behaves.
package struct StoreOptions: Sendable {
    /// The store's root directory.
    package var root: String
    /// The run directory (mount points, locks that a reboot may drop).
    package var runDirectory: String
    /// How long removed images stay restorable, in seconds; 0 turns undo off.
    package var graceSeconds: Int64
    /// How far a layer may grow when it is inflated.
    package var inflation = InflationLimit()

    package init(root: String, runDirectory: String, graceSeconds: Int64 = 86_400) {
        self.root = root
        self.runDirectory = runDirectory
        self.graceSeconds = graceSeconds
    }
}
