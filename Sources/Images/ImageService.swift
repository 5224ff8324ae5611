/// Where the store is and how it behaves.
package struct StoreOptions: Sendable {
    /// Which snapshot driver to use.
    package enum DriverChoice: String, Sendable { case automatic, erofs, directory }

    /// The store's root directory.
    package var root: String
    /// The run directory (mount points, locks that a reboot may drop).
    package var runDirectory: String
    package var driver: DriverChoice
    /// How long removed images stay restorable, in seconds; 0 turns undo off.
    package var graceSeconds: Int64

    package init(root: String, runDirectory: String, driver: DriverChoice = .automatic, graceSeconds: Int64 = 86_400) {
        self.root = root
        self.runDirectory = runDirectory
        self.driver = driver
        self.graceSeconds = graceSeconds
    }
}

/// How to name images on a command line: a reference, an ID or a prefix of one.
package struct ImageFilter: Sendable, Equatable {
    /// `--filter` of `ls` and `prune`, parsed by `init(parsing:)` in `Filters.swift`.
    package var dangling: Bool?
    package var before: [String] = []
    package var since: [String] = []
    /// `key` or `key=value`.
    package var labels: [String] = []
    /// `prune` only: labels an image must not have.
    package var excludedLabels: [String] = []
    /// Glob patterns over familiar names, as docker's `reference=`.
    package var references: [String] = []
    /// Created before this time, seconds since 1970.
    package var until: Int64?

    package init() {}
}

package enum PullOutcome: Sendable, Equatable { case downloaded, upToDate }

/// An error that a person reads: docker's sentence, and where we can do better a hint.
package struct ImageError: Error, Sendable, CustomStringConvertible {
    /// What front ends may tell apart.
    package enum Code: Sendable, Equatable {
        case notFound, conflict, denied, invalid, damaged, noSpace, readOnly, unavailable, cancelled, failed
    }

    package var code: Code
    package var message: String
    package var hint: String?

    package init(_ code: Code, _ message: String, hint: String? = nil) {
        self.code = code
        self.message = message
        self.hint = hint
    }

    package var description: String { message }
}
