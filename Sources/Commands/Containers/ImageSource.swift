import Containers
import Content
import Images
import Linux
import OCI

/// Finds the image for a new container, and pulls it where `--pull` says so.
struct ImageSource {
    /// What a container is made of.
    struct Found: Sendable {
        /// Keeps the image until the container's own record does.
        var lease: Lease
        var name: String
        var id: Digest
        var layers: [Digest]
        var platform: Platform
        var config: ContainerConfig
    }

    let call: Call
    /// `always`, `missing`, `never`; empty is `missing`.
    let pull: String
    /// Empty: this machine's.
    let platform: String
    let isQuiet: Bool

    func find(_ name: String) async throws -> Found {
        let platform: Platform? =
            self.platform.isEmpty ? nil : try Platform(parsing: self.platform)
        if pull == "always" {
            try await fetch(name, platform)
        } else if let found = try lookUp(name, platform) {
            return found
        } else if pull == "never" {
            throw ImageError(
                .notFound, "No such image: \(name)", hint: "leave out --pull=never, and the image is pulled")
        } else {
            call.session.console.complain("Unable to find image '\(Self.fullName(name))' locally")
            try await fetch(name, platform)
        }
        if let found = try lookUp(name, platform) { return found }
        throw ImageError(.notFound, "No such image: \(name)")
    }

    /// The name with docker's default tag.
    private static func fullName(_ name: String) -> String {
        (try? Reference(parsing: name)).map { $0.withDefaultTag.familiar } ?? name
    }

    private func lookUp(_ name: String, _ platform: Platform?) throws -> Found? {
        let images = try call.session.images()
        let (found, lease): (FoundImage, Lease)
        do { (found, lease) = try images.hold(name, platform: platform) } catch {
            if error is ImageError, (error as? ImageError)?.code == .notFound { return nil }
            throw error
        }
        let config = try images.config(of: found.image).value
        return Found(
            lease: lease, name: name, id: found.image.id, layers: found.image.layers.map(\.diffID),
            platform: found.image.platform,
            config: config.config ?? ContainerConfig())
    }

    private func fetch(_ name: String, _ platform: Platform?) async throws {
        let reference: Reference
        do { reference = try Reference(parsing: name) } catch { throw ImageError(.invalid, "\(error)") }
        // Standard output is the container's.
        let view = ProgressView(call.console.onErrorOutput, isQuiet: isQuiet)
        defer { view.end() }
        _ = try await call.session.images().pull(
            reference.withDefaultTag, platform: platform, allTags: false, progress: view.handler)
    }
}
