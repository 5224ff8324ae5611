/// Which images `ls` shows or `prune` takes; `init(parsing:for:now:)` in `Filters.swift` makes it of `--filter` terms.
package struct ImageFilter: Sendable, Equatable {
    /// Only images that no tag names, or only those that one does.
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
