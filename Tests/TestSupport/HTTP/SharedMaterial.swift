/// Material that lies beside the project: `../shared` from its root.
package enum SharedMaterial {
    /// The directory's path.
    package static let path: String = {
        let components = #filePath.split(separator: "/")
        // Tests/TestSupport/HTTP/SharedMaterial.swift, and the root itself.
        return "/" + components.dropLast(5).joined(separator: "/") + "/shared"
    }()
}
