/// Of an image's config what a page shows; what is missing or of another kind is left out.
struct ConfigView: Decodable {
    struct Step: Decodable {
        var created_by: String?
        var comment: String?
        var empty_layer: Bool?
    }

    private struct Start: Decodable {
        /// The value of a key that only counts by being there: `"ExposedPorts": {"80/tcp": {}}`.
        struct Nothing: Decodable { init(from decoder: any Decoder) {} }

        var Entrypoint: [String]?
        var Cmd: [String]?
        var User: String?
        var WorkingDir: String?
        var Env: [String]?
        var ExposedPorts: [String: Nothing]?
        var Volumes: [String: Nothing]?
        var Labels: [String: String]?
    }

    private enum CodingKeys: CodingKey { case os, architecture, variant, history, created, config }

    var os: String?
    var architecture: String?
    var variant: String?
    var history: [Step]?
    private var created: String?
    private var start: Start?

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        func value<Value: Decodable>(_ key: CodingKeys) -> Value? {
            try? values.decodeIfPresent(Value.self, forKey: key)
        }
        os = value(.os)
        architecture = value(.architecture)
        variant = value(.variant)
        history = value(.history)
        created = value(.created)
        start = value(.config)
    }

    /// A page shows no more of a list.
    private static let mostLines = 200

    var shown: Browse.Start {
        var shown = Browse.Start()
        shown.entrypoint = start?.Entrypoint ?? []
        shown.command = start?.Cmd ?? []
        shown.user = start?.User ?? ""
        shown.workingDirectory = start?.WorkingDir ?? ""
        shown.environment = Array((start?.Env ?? []).prefix(Self.mostLines))
        shown.ports = Array((start?.ExposedPorts ?? [:]).keys.sorted().prefix(Self.mostLines))
        shown.volumes = Array((start?.Volumes ?? [:]).keys.sorted().prefix(Self.mostLines))
        shown.labels = (start?.Labels ?? [:]).sorted { $0.key < $1.key }.prefix(Self.mostLines).map {
            ($0.key, $0.value)
        }
        shown.created = created.map { String($0.prefix(16)).replacing("T", with: " ") } ?? ""
        return shown
    }
}
