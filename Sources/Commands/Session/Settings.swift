import Linux

/// Where things are: from flags, the environment and the defaults, in this order.
package struct Settings: Sendable {
    package var environment: [String: String]
    /// The store.
    package var root: String
    /// What a reboot may drop.
    package var runDirectory: String
    /// `erofs`, `directory`, or nil for what the machine can do.
    package var driver: String?
    package var debug: Bool

    /// - Parameters:
    ///   - root: from `--root`.
    ///   - driver: from `--driver`.
    package init(environment: [String: String], root: String?, driver: String?, debug: Bool) {
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let isRoot = effectiveUserID() == 0
        let home = variable("HOME") ?? "/"
        self.environment = environment
        self.root = Self.absolute(
            root ?? variable("STRATA_ROOT")
                ?? (isRoot ? "/var/lib/strata" : (variable("XDG_DATA_HOME") ?? home + "/.local/share") + "/strata"))
        runDirectory = Self.absolute(
            variable("STRATA_RUN_DIR")
                ?? (isRoot
                    ? "/run/strata" : (variable("XDG_RUNTIME_DIR") ?? "/tmp/strata-\(effectiveUserID())") + "/strata"))
        self.driver = driver ?? variable("STRATA_SNAPSHOTTER")
        self.debug = debug
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : workingDirectory() + "/" + path
    }
}
