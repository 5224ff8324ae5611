public import OCI

/// docker's sentences for registry errors: what its users know and what scripts look for. Made here only.
extension RegistryError {
    /// docker's words where a pull fails.
    public func sentence(pulling reference: Reference) -> String {
        switch code {
        case .denied:
            "pull access denied for \(reference.familiarRepository), repository does not exist or may require"
                + " 'docker login': \(message)"
        case .manifestUnknown: "manifest for \(reference.withDefaultTag.familiar) not found: \(message)"
        case .nameUnknown where status != nil: "repository \(reference.familiarRepository) not found: \(message)"
        default: sentence
        }
    }

    /// docker's words where anything else fails: the server's own, or the request and what happened to it.
    public var sentence: String {
        if !serverErrors.isEmpty { return message }
        guard let method, let url else { return message }
        return "\(method.prefix(1))\(method.dropFirst().lowercased()) \"\(url)\": \(message)"
    }
}
