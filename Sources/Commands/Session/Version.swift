/// What this program is.
package enum Version {
    /// Semantic version of the sources; CHANGELOG.md says what it holds.
    package static let current = "0.1.0"
}
