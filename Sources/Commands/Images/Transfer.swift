import Images
import Linux
import OCI

private let allTags = Flag.bool("all-tags", "a", "Push all tags of an image to the repository")
private let pushPlatform = ImageFlags.platform("Push only the given platform of a multi-platform image")
private let contentTrust = Flag.bool("disable-content-trust", nil, "Skip image signing", default: true).hidden
private let output = Flag.string("output", "o", "Write to a file, instead of STDOUT")
private let saveFormat = Flag<SaveFormat?>.parsed(
    "archive-format", nil, "Write 'docker' (docker-archive and OCI layout in one) or 'oci' (OCI layout only)",
    choices: SaveFormat.allCases.map(\.rawValue)
) { text in
    guard let format = SaveFormat(rawValue: text) else { throw FlagProblem("want docker or oci") }
    return format
}
private let savePlatform = ImageFlags.platform("Save only the given platform variant")
private let input = Flag.string("input", "i", "Read from tar archive file, instead of STDIN")
private let loadPlatform = ImageFlags.platform("Load only the given platform variant")
private let quietLoad = Flag.bool("quiet", "q", "Suppress the load output")
private let changes = Flag.parsedList("change", "c", "Apply Dockerfile instruction to the created image") {
    try ConfigChange(parsing: $0)
}
private let message = Flag.string("message", "m", "Set commit message for imported image")
private let importPlatform = ImageFlags.platform("Set platform if server is multi-platform capable")

extension Command {
    static let imagePush = Command(
        "push", "NAME[:TAG]", "Upload an image to a registry", shortForms: ["push"],
        flags: [allTags.spec, pushPlatform.spec, ImageFlags.quiet.spec, contentTrust.spec], count: .exactly(1),
        completes: .images
    ) { call in
        let typed = try Reference.typed(call.arguments[0])
        let isQuiet = call[ImageFlags.quiet]
        if call[allTags], typed.tag != nil { throw UsageWords(description: "tag can't be used with --all-tags/-a") }
        let reference = call[allTags] ? typed : typed.withDefaultTag
        if typed.tag == nil, typed.digest == nil, !call[allTags], !isQuiet {
            call.console.line("Using default tag: \(Reference.defaultTag)")
        }
        let view = ProgressView(call.console, isQuiet: isQuiet)
        defer { view.end() }
        try await call.session.images().push(
            reference, platform: call[pushPlatform], allTags: call[allTags], progress: view.handler)
        view.end()
        if isQuiet { call.console.line("\(reference)") }
        return 0
    }

    static let imageSave = Command(
        "save", "IMAGE [IMAGE...]", "Save one or more images to a tar archive (streamed to STDOUT by default)",
        shortForms: ["save"], flags: [output.spec, savePlatform.spec, saveFormat.spec], count: .atLeast(1),
        completes: .images
    ) { call in
        let images = try call.session.images()
        let format = call[saveFormat] ?? .docker
        // Standard output may be the archive.
        let view = ProgressView(call.console.onErrorOutput)
        defer { view.end() }
        let tell = view.handler
        guard let path = call[output] else {
            if call.console.isTerminal {
                throw UsageWords(
                    description: "cowardly refusing to save to a terminal. Use the -o flag or redirect")
            }
            try await images.save(call.arguments, format: format, platform: call[savePlatform], to: 1, progress: tell)
            return 0
        }
        if let kind = try FileStatus.ifExists(path)?.kind, kind != .regular {
            // A device, a fifo, a link: written to, never replaced.
            if kind == .directory { throw UsageWords(description: "cannot save to `\(path)`: it is a directory") }
            let file = try open(path, .write)
            try await images.save(
                call.arguments, format: format, platform: call[savePlatform], to: file.raw, progress: tell)
            _ = consume file
            return 0
        }
        // Beside the target first: a file that stands under its name is whole.
        let staged = path + ".strata-\(processID())"
        let file = try open(staged, .createNew, permissions: 0o600)
        do {
            try await images.save(
                call.arguments, format: format, platform: call[savePlatform], to: file.raw, progress: tell)
            try file.close(staged)
            try rename(staged, to: path)
        } catch {
            try? removeFile(staged)
            throw error
        }
        return 0
    }

    static let imageLoad = Command(
        "load", "", "Load an image from a tar archive or STDIN", shortForms: ["load"],
        flags: [input.spec, loadPlatform.spec, quietLoad.spec]
    ) { call in
        let images = try call.session.images()
        let view = ProgressView(call.console, isQuiet: call[quietLoad])
        defer { view.end() }
        let loaded: [LoadedImage]
        if let path = call[input] {
            let file = try open(path, .read)
            loaded = try await images.load(from: file.raw, platform: call[loadPlatform], progress: view.handler)
            _ = consume file
        } else {
            if isTerminal(0) { throw UsageWords(description: "requested load from stdin, but stdin is empty") }
            loaded = try await images.load(from: 0, platform: call[loadPlatform], progress: view.handler)
        }
        view.end()
        for image in loaded {
            call.console.line(image.reference.map { "Loaded image: \($0.familiar)" } ?? "Loaded image ID: \(image.id)")
        }
        return 0
    }

    static let imageImport = Command(
        "import", "file|- [REPOSITORY[:TAG]]",
        "Import the contents from a tarball to create a filesystem image", shortForms: ["import"],
        flags: [changes.spec, message.spec, importPlatform.spec], count: .between(1, 2), completes: .files
    ) { call in
        let target = try call.arguments.count == 2 ? Reference.typed(call.arguments[1]).withDefaultTag : nil
        let images = try call.session.images()
        let source = call.arguments[0]
        // Standard output gets the ID alone.
        let view = ProgressView(call.console.onErrorOutput)
        defer { view.end() }
        func take(_ descriptor: Int32) async throws -> Digest {
            try await images.importImage(
                from: descriptor, as: target, changes: call[changes], message: call[message] ?? "",
                platform: call[importPlatform], progress: view.handler)
        }
        if source == "-" {
            call.console.line(try await take(0).description)
            return 0
        }
        if source.hasPrefix("http://") || source.hasPrefix("https://") {
            throw UsageWords(description: "cannot fetch \(source): pipe it in: curl -fsSL \(source) | strata import -")
        }
        let file = try open(source, .read)
        let id = try await take(file.raw)
        _ = consume file
        call.console.line(id.description)
        return 0
    }
}
