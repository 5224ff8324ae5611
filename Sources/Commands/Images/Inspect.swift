import Images
import OCI

private let platform = ImageFlags.platform("Inspect a specific platform of the multi-platform image.")

extension Command {
    static let imageInspect = Command(
        "inspect", "IMAGE [IMAGE...]", "Display detailed information on one or more images",
        flags: [ImageFlags.inspectFormat.spec, platform.spec], count: .atLeast(1), completes: .images
    ) { call in
        let images = try call.session.images()
        var found: [Value] = []
        let code = await forEach(call.arguments, call) { name in
            found.append(ImageInspection.value(try await images.inspect(name, platform: call[platform])))
        }
        let format = call[ImageFlags.inspectFormat]
        // As docker: what was found is shown, an empty list where nothing was.
        if !found.isEmpty || format == nil {
            call.console.write(try Template.inspected(found, format: format))
        }
        return code
    }
}

/// An image in the shape of docker's `image inspect`.
enum ImageInspection {
    static func value(_ detail: ImageDetail) -> Value {
        let summary = detail.summary
        let config = detail.config.value
        let layers = Value.strings(summary.layers.map(\.description))
        let rootFS: [Record.Field?] = [.always("Type", .string("layers")), .nonEmpty("Layers", layers)]
        let tagged = detail.lastTagged.map { Times.rfc3339($0) } ?? "0001-01-01T00:00:00Z"
        var fields: [Record.Field?] = [.always("Id", .string(summary.id.description))]
        fields.append(.always("RepoTags", .strings(summary.tags.map(\.familiar))))
        fields.append(.always("RepoDigests", .strings(summary.digests.map(\.familiar))))
        func text(_ name: String, _ value: String?) { fields.append(.nonEmpty(name, .string(value ?? ""))) }
        text("Parent", config.parent)
        text("Comment", config.comment ?? config.history?.last?.comment)
        text("Created", config.created)
        text("DockerVersion", config.dockerVersion)
        text("Author", config.author)
        fields.append(.always("Config", self.config(config.config ?? ContainerConfig())))
        fields.append(.always("Architecture", .string(config.architecture)))
        text("Variant", config.variant)
        fields.append(.always("Os", .string(config.os)))
        text("OsVersion", config.osVersion)
        fields.append(.always("Size", .int(summary.size)))
        fields.append(.always("GraphDriver", driver(detail)))
        fields.append(.always("RootFS", .record("image.RootFS", rootFS)))
        fields.append(.always("Metadata", .record("image.Metadata", [.always("LastTagTime", .string(tagged))])))
        fields.append(.always("Descriptor", descriptor(detail.descriptor)))
        fields.append(.always("LayerDetails", .list(detail.layers.map(layer))))
        return .record("image.InspectResponse", fields)
    }

    private static func driver(_ detail: ImageDetail) -> Value {
        // docker's words for an overlay: the topmost is the upper one, what it lies on are the lower ones.
        var data: [String: Value] = [:]
        if let top = detail.lowerPaths.first { data["UpperDir"] = .string(top) }
        if detail.lowerPaths.count > 1 {
            data["LowerDir"] = .string(detail.lowerPaths.dropFirst().joined(separator: ":"))
        }
        return .record(
            "storage.DriverData", [.always("Data", .map(data)), .always("Name", .string(detail.driver))])
    }

    static func descriptor(_ descriptor: Descriptor) -> Value {
        .record(
            "v1.Descriptor",
            [
                .always("mediaType", typed: "MediaType", .string(descriptor.mediaType.rawValue)),
                .always("digest", typed: "Digest", .string(descriptor.digest.description)),
                .always("size", typed: "Size", .int(descriptor.size)),
            ])
    }

    private static func layer(_ layer: LayerSummary) -> Value {
        .record(
            "strata.Layer",
            [
                .always("DiffID", .string(layer.diffID.description)), .always("Blob", descriptor(layer.blob)),
                .always("Size", .int(layer.size)), .always("StoredBytes", .int(layer.storedBytes)),
                .always("Files", .int(Int64(layer.files))),
                .always("UsedBy", .strings(layer.usedBy.map(\.description))),
            ])
    }

    static func config(_ config: ContainerConfig) -> Value {
        func empty(_ set: [String: ContainerConfig.EmptyObject]?) -> Value {
            set.map { .map($0.mapValues { _ in .record("struct {}", []) }) } ?? .nilMap
        }
        return .record(
            "*v1.DockerOCIImageConfig",
            [
                .nonEmpty("Hostname", .string(config.hostname ?? "")),
                .nonEmpty("Domainname", .string(config.domainname ?? "")),
                .nonEmpty("User", .string(config.user ?? "")),
                .nonEmpty("ExposedPorts", empty(config.exposedPorts)),
                .nonEmpty("Env", .strings(config.env)),
                .nonEmpty("Entrypoint", .strings(config.entrypoint)),
                .nonEmpty("Cmd", .strings(config.cmd)),
                .nonEmpty("Volumes", empty(config.volumes)),
                .nonEmpty("WorkingDir", .string(config.workingDir ?? "")),
                .nonEmpty("Labels", .strings(config.labels)),
                .nonEmpty("StopSignal", .string(config.stopSignal ?? "")),
                .nonEmpty("ArgsEscaped", .bool(config.argsEscaped ?? false)),
                .nonEmpty("Healthcheck", config.healthcheck.map(health) ?? .null),
                .nonEmpty("OnBuild", .strings(config.onBuild)),
                .nonEmpty("Shell", .strings(config.shell)),
                .nonEmpty("StopTimeout", config.stopTimeout.map { .int(Int64($0)) } ?? .null),
            ])
    }

    private static func health(_ check: ContainerConfig.Healthcheck) -> Value {
        .record(
            "v1.HealthcheckConfig",
            [
                .nonEmpty("Test", .strings(check.test)), .nonEmpty("Interval", .int(check.interval ?? 0)),
                .nonEmpty("Timeout", .int(check.timeout ?? 0)), .nonEmpty("StartPeriod", .int(check.startPeriod ?? 0)),
                .nonEmpty("StartInterval", .int(check.startInterval ?? 0)),
                .nonEmpty("Retries", .int(Int64(check.retries ?? 0))),
            ])
    }
}
