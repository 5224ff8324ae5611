import Content
import Linux
import OCI
import SQL
import Snapshots

/// Compares the database with itself and with the documents that its rows were made of.
enum DatabaseCheck {
    /// What is wrong, a sentence each; empty where nothing is.
    static func problems(of service: ImageService) throws -> [String] {
        do {
            var found = try service.metadata.database().problems()
            if !found.isEmpty { return found }
            try service.metadata.read { connection in
                found += try brokenSeals(connection)
                for image in try ImageStore.images(.all, .full, connection) {
                    if let problem = try difference(image, service) { found.append(problem) }
                }
            }
            return found
        } catch let error as ImageError where error.code == .damaged { return [error.message] }
    }

    /// Rows whose truth lies nowhere else, and that a changed byte shows in.
    private static func brokenSeals(_ connection: any SQLConnection) throws -> [String] {
        var found: [String] = []
        try connection.query(
            "SELECT seal, \(ImageStore.referenceColumns) FROM refs JOIN manifests ON manifests.id = refs.manifest", []
        ) { row in
            let reference = try ImageStore.reference(row, from: 1)
            if reference.seal != row.text(0) {
                found.append("the row of the name `\(reference.name.stored)` was changed")
            }
        }
        try connection.query("SELECT seal, id, at, action, until, undone FROM steps", []) { row in
            let seal = Journal.seal(
                at: row.integer(2), action: row.text(3), until: row.integer(4), undone: row.integer(5) != 0)
            if seal != row.text(0) { found.append("the row of the step \(row.integer(1)) was changed") }
        }
        try connection.query(
            """
            SELECT seal, step, name, before_manifest, before_target, before_type, before_size,
                after_manifest, after_target, after_type, after_size FROM step_refs
            """, []
        ) { row in
            let fields = (3...10).map { row.optionalText($0) }
            if rowSeal(["\(row.integer(1))", row.text(2)] + fields) != row.text(0) {
                found.append("a row of the step \(row.integer(1)) was changed")
            }
        }
        try connection.query("SELECT seal, step, image, change FROM step_images", []) { row in
            if rowSeal(["\(row.integer(1))", row.text(2), row.text(3)]) != row.text(0) {
                found.append("a row of the step \(row.integer(1)) was changed")
            }
        }
        return found
    }

    /// What an image's rows say otherwise than its documents. Documents that cannot be read are the blobs' matter.
    private static func difference(_ image: StoredImage, _ service: ImageService) throws -> String? {
        guard let config = try? service.config(of: image) else { return nil }
        let subject = "the rows of the image \(image.id.short)"
        if config.value.rootfs.diffIDs != image.layers.map(\.diffID) {
            return "\(subject) name other layers than its config"
        }
        if config.value.platform != image.platform { return "\(subject) name another platform than its config" }
        if (config.value.config?.labels ?? [:]) != image.labels {
            return "\(subject) have other labels than its config"
        }
        let created = config.value.created.flatMap { secondsSince1970(rfc3339: $0) }
        if created != image.created { return "\(subject) say another time than its config" }
        if image.layers.reduce(0, { $0 + $1.size }) != image.size {
            return "\(subject) say another size than its layers"
        }
        for layer in image.layers {
            guard let contents = try? service.driver.record(of: layer.diffID)?.contents else { continue }
            if contents.size != layer.size || contents.files != layer.files {
                return "the row of the layer \(layer.diffID.short) says another size than the layer has"
            }
        }
        for manifest in image.manifests {
            guard let document = try? service.document(of: manifest) else { continue }
            let layers = document.value.layers.map {
                Descriptor(mediaType: $0.mediaType, digest: $0.digest, size: $0.size)
            }
            if layers != manifest.layers || document.value.config.digest != image.id {
                return "\(subject) name other blobs than its manifest \(manifest.descriptor.digest.short)"
            }
        }
        return nil
    }
}
