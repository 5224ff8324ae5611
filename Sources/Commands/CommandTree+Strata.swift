extension CommandTree {
    /// All of `strata`.
    package static let strata: CommandTree = CommandTree(
        groups: [.container, .image, .registry, .volume, .system],
        commands: [.inspect, .login, .logout, .version, .completion, .documentation])
}

extension CommandGroup {
    static let image = CommandGroup(
        "image", "Manage images",
        [
            .imagePull, .imageList, .imageHistory, .imageInspect, .imageRemove, .imageTag, .imagePush, .imageSave,
            .imageLoad, .imageImport, .imagePrune, .imageUndo, .imageDifference, .imageFiles, .imageWhy,
        ])
    static let system = CommandGroup("system", "Manage Strata", [.systemUsage, .systemCheck, .systemInfo])
}
