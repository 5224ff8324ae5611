import Images
import Linux
import OCI

private let all = Flag.bool("all", "a", "Show all images (default hides intermediate images)")
private let digests = Flag.bool("digests", nil, "Show digests")
private let quiet = Flag.bool("quiet", "q", "Only show image IDs")
private let tree = Flag.bool("tree", nil, "List images as a tree of the layers that they share")

extension Command {
    static let imageList = Command(
        "ls", "[REPOSITORY[:TAG]]", "List images", aliases: ["list"], shortForms: ["images"],
        flags: [
            all.spec, digests.spec, ImageFlags.filter.spec, ImageFlags.format.spec, ImageFlags.json.spec,
            ImageFlags.noTruncation.spec, quiet.spec, tree.spec,
        ], count: .atMost(1), completes: .images
    ) { call in
        var filter = try ImageFilter(parsing: call[ImageFlags.filter], for: .list, now: wallClockSeconds())
        if let pattern = call.arguments.first { filter.references.append(pattern) }
        let images = try await call.session.images().list(filter, all: call[all])
        if call[tree] {
            call.console.write(ImageTree.text(images, noTruncation: call[ImageFlags.noTruncation]))
            return 0
        }
        let truncates = !call[ImageFlags.noTruncation]
        let rows = images.flatMap { imageRows(of: $0, truncates: truncates, digests: call[digests]) }
        let listing = call[digests] ? withDigests : plain
        call.console.write(try listing.text(rows, format: call.format, quiet: call[quiet] ? "ID" : nil))
        return 0
    }
}

private let headers: [Listing.Header] = [
    ("ID", "IMAGE ID"), ("Repository", "REPOSITORY"), ("Tag", "TAG"), ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT"), ("Size", "SIZE"), ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"), ("UniqueSize", "UNIQUE SIZE"), ("VirtualSize", "SIZE"), ("Platform", "PLATFORM"),
]
private let plain = Listing(headers, standard: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}")
private let withDigests = Listing(
    headers, standard: "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}")

/// docker's rows of an image: one for each tag, with its digest where digests are shown; one where nothing names it.
private func imageRows(of image: ImageSummary, truncates: Bool, digests: Bool) -> [Value] {
    var rows: [Value] = []
    func add(_ repository: String, _ tag: String, _ digest: String) {
        let row = ImageRow(image: image, repository: repository, tag: tag, digest: digest, truncates: truncates)
        rows.append(.object(row))
    }
    var repositories: [String] = []
    for reference in image.tags + image.digests where !repositories.contains(reference.repository) {
        repositories.append(reference.repository)
    }
    for repository in repositories {
        let tags = image.tags.filter { $0.repository == repository }
        let known = image.digests.filter { $0.repository == repository }.compactMap(\.digest?.description)
        let name = (tags.first ?? image.digests.first { $0.repository == repository })?.familiarRepository ?? ""
        if digests {
            for tag in tags.isEmpty ? ["<none>"] : tags.map({ $0.tag ?? "<none>" }) {
                for digest in known.isEmpty ? ["<none>"] : known {
                    add(name, tag, digest)
                }
            }
        } else {
            for tag in tags { add(name, tag.tag ?? "<none>", known.first ?? "<none>") }
            if tags.isEmpty { add(name, "<none>", known.first ?? "<none>") }
        }
    }
    if rows.isEmpty { add("<none>", "<none>", "<none>") }
    return rows
}

/// A row's fields, computed as they are asked for: most of them are in no table.
private struct ImageRow: TemplateObject {
    let image: ImageSummary
    let repository: String
    let tag: String
    let digest: String
    let truncates: Bool

    let typeName = "*formatter.imageContext"
    let escapesHTML = true

    var jsonFields: [String] {
        [
            "Containers", "CreatedAt", "CreatedSince", "Digest", "ID", "Platform", "Repository", "SharedSize", "Size",
            "Tag", "UniqueSize", "VirtualSize",
        ]
    }

    func field(_ name: String) -> Value? {
        switch name {
        case "Containers": .string(image.containers == 0 ? "N/A" : "\(image.containers)")
        case "CreatedAt": .string(image.created.map { Times.local($0) } ?? "N/A")
        case "CreatedSince": .string(Units.ago(image.created))
        case "Digest": .string(digest)
        case "ID": .string(truncates ? image.id.short : image.id.description)
        case "Platform": .string(image.platform.description)
        case "Repository": .string(repository)
        case "SharedSize": .string(Units.size(image.sharedSize))
        case "Size", "VirtualSize": .string(Units.size(image.size))
        case "Tag": .string(tag)
        case "UniqueSize": .string(Units.size(image.size - image.sharedSize))
        default: nil
        }
    }
}
