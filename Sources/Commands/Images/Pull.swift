import Images
import OCI

private let allTags = Flag.bool("all-tags", "a", "Download all tagged images in the repository")
private let platform = ImageFlags.platform("Set platform if server is multi-platform capable")
private let contentTrust = Flag.bool("disable-content-trust", nil, "Skip image verification", default: true).hidden

extension Command {
    static let imagePull = Command(
        "pull", "NAME[:TAG|@DIGEST]", "Download an image from a registry", shortForms: ["pull"],
        flags: [allTags.spec, platform.spec, ImageFlags.quiet.spec, contentTrust.spec], count: .exactly(1)
    ) { call in
        let reference = try Reference.typed(call.arguments[0])
        try await call.pull(
            reference, platform: call[platform], allTags: call[allTags], isQuiet: call[ImageFlags.quiet])
        return 0
    }
}

extension Call {
    /// Pulls with docker's words: also what `run` and `create` do for an image that is not here.
    ///
    /// - Returns: the references pulled.
    @discardableResult
    func pull(
        _ reference: Reference, platform: Platform?, allTags: Bool = false, isQuiet: Bool = false,
        endsWithName: Bool = true
    ) async throws -> [Reference] {
        let images = try session.images()
        let hasNone = reference.tag == nil && reference.digest == nil
        if hasNone, !allTags, !isQuiet { console.line("Using default tag: \(Reference.defaultTag)") }
        let view = ProgressView(console, isQuiet: isQuiet)
        let pulled: [(reference: Reference, outcome: PullOutcome)]
        do {
            pulled = try await images.pull(reference, platform: platform, allTags: allTags, progress: view.handler)
        } catch {
            view.end()
            throw error
        }
        view.end()
        if endsWithName { console.line(allTags ? reference.untagged.description : "\(reference.withDefaultTag)") }
        return pulled.map(\.reference)
    }
}
