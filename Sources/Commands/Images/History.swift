import Images
import OCI

private let human = Flag.bool("human", "H", "Print sizes and dates in human readable format", default: true)
private let platform = ImageFlags.platform("Show history for the given platform")
private let quiet = Flag.bool("quiet", "q", "Only show image IDs")
private let layers = Flag.bool("layers", nil, "Show the digest of the layer that each step made")

extension Command {
    static let imageHistory = Command(
        "history", "IMAGE", "Show the history of an image", shortForms: ["history"],
        flags: [
            ImageFlags.format.spec, ImageFlags.json.spec, human.spec, layers.spec, ImageFlags.noTruncation.spec,
            platform.spec, quiet.spec,
        ], count: .exactly(1), completes: .images
    ) { call in
        let steps = try await call.session.images().history(call.arguments[0], platform: call[platform])
        let truncates = !call[ImageFlags.noTruncation]
        let rows = steps.map { row($0, truncates: truncates, human: call[human]) }
        let created = call[human] ? "CreatedSince" : "CreatedAt"
        let listing = Listing(
            headers,
            standard:
                "{{.ID}}\t\(call[layers] ? "{{.Layer}}\t" : ""){{.\(created)}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
        )
        call.console.write(try listing.text(rows, format: call.format, quiet: call[quiet] ? "ID" : nil))
        return 0
    }
}

private let headers: [Listing.Header] = [
    ("ID", "IMAGE"), ("Layer", "LAYER"), ("CreatedSince", "CREATED"), ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"), ("Size", "SIZE"), ("Comment", "COMMENT"), ("Blob", "BLOB"), ("DiffID", "DIFF ID"),
]

private func row(_ step: HistoryStep, truncates: Bool, human: Bool) -> Value {
    var createdBy = step.createdBy.replacing("\t", with: " ").replacing("\n", with: " ")
    if truncates, createdBy.count > 45 { createdBy = createdBy.prefix(44) + "…" }
    // Where the image ID stands for the whole, a layer's digest names the step; docker prints `<missing>`.
    let id = step.imageID.map { truncates ? $0.short : $0.description } ?? "-"
    let layer = step.diffID.map { truncates ? $0.short : $0.description } ?? "-"
    return .record(
        "*formatter.historyContext", escapesHTML: true,
        [
            .always("Blob", .string(step.blob?.digest.description ?? "")),
            .always("Comment", .string(step.comment)),
            .always("CreatedAt", .string(step.created.map { Times.rfc3339($0) } ?? "N/A")),
            .always("CreatedBy", .string(createdBy)),
            .always("CreatedSince", .string(Units.ago(step.created))),
            .always("DiffID", .string(step.diffID?.description ?? "")),
            .always("ID", .string(id)),
            .always("Layer", .string(layer)),
            .always("Size", .string(human ? Units.size(step.size) : "\(step.size)")),
        ])
}
