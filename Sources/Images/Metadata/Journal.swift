import OCI
import SQL

/// Reading the journal of steps.
enum Journal {
    /// What a step did to a name.
    struct NameChange {
        var name: Reference
        var before: StoredReference?
        var after: StoredReference?

        /// Whether the name means what the step left.
        func isAsLeft(_ connection: any SQLConnection) throws -> Bool {
            let current = try ImageStore.reference(name, connection)?.reference
            return current?.manifest == after?.manifest && current?.target == after?.target
        }
    }

    struct Entry {
        var id: Int64
        var at: Int64
        var action: String
        var until: Int64
        var names: [NameChange] = []
        /// By image ID.
        var added: [Digest] = []
        var removed: [Digest] = []
    }

    /// Steps that can be taken back, newest first.
    ///
    /// - Parameter id: only that one.
    static func entries(at now: Int64, id: Int64? = nil, _ connection: any SQLConnection) throws -> [Entry] {
        let only = id.map { "AND id = \($0)" } ?? ""
        var entries = try connection.rows(
            "SELECT id, at, action, until FROM steps WHERE undone = 0 AND until > $1 \(only) ORDER BY id DESC",
            [.integer(now)]
        ).map { Entry(id: $0.integer(0), at: $0.integer(1), action: $0.text(2), until: $0.integer(3)) }
        for index in entries.indices { try read(&entries[index], connection) }
        return entries
    }

    private static func read(_ entry: inout Entry, _ connection: any SQLConnection) throws {
        let at = entry.at
        entry.names = try connection.rows(
            """
            SELECT name, before_manifest, before_target, before_type, before_size,
                after_manifest, after_target, after_type, after_size
            FROM step_refs WHERE step = $1 ORDER BY name
            """, [.integer(entry.id)]
        ).map { row in
            guard let name = try? Reference(parsing: row.text(0)) else {
                throw SQLError(.damaged, "a row of the table `step_refs` is damaged: `\(row.text(0))`")
            }
            return NameChange(
                name: name, before: try reference(name, row, from: 1, at: at),
                after: try reference(name, row, from: 5, at: at))
        }
        try connection.query(
            "SELECT image, change FROM step_images WHERE step = $1 ORDER BY image", [.integer(entry.id)]
        ) { row in
            let image = try Digest(column: row.text(0), of: "step_images")
            if row.text(1) == Step.ImageChange.added.rawValue {
                entry.added.append(image)
            } else {
                entry.removed.append(image)
            }
        }
    }

    private static func reference(
        _ name: Reference, _ row: SQLRow, from column: Int, at: Int64
    ) throws -> StoredReference? {
        guard let manifest = row.optionalText(column) else { return nil }
        return StoredReference(
            name: name, manifest: try Digest(column: manifest, of: "step_refs"),
            target: Descriptor(
                mediaType: MediaType(rawValue: row.text(column + 2)),
                digest: try Digest(column: row.text(column + 1), of: "step_refs"), size: row.integer(column + 3)),
            updated: at)
    }

    /// What a changed byte in a step's row breaks.
    static func seal(at: Int64, action: String, until: Int64, undone: Bool) -> String {
        rowSeal(["\(at)", action, "\(until)", undone ? "undone" : nil])
    }

    /// Notes that a step was taken back.
    static func markUndone(_ entry: Entry, _ connection: any SQLConnection) throws {
        let seal = seal(at: entry.at, action: entry.action, until: entry.until, undone: true)
        try connection.execute(
            "UPDATE steps SET undone = 1, seal = $1 WHERE id = $2", [.text(seal), .integer(entry.id)])
    }

    /// Gives up what can still be taken back.
    static func expire(at now: Int64, _ connection: any SQLConnection) throws {
        for row in try connection.rows(
            "SELECT id, at, action, until FROM steps WHERE until > $1 AND undone = 0", [.integer(now)])
        {
            let entry = Entry(id: row.integer(0), at: row.integer(1), action: row.text(2), until: row.integer(3))
            try expire(entry, at: now, connection)
        }
    }

    /// Gives up one step.
    static func expire(_ entry: Entry, at now: Int64, _ connection: any SQLConnection) throws {
        let seal = seal(at: entry.at, action: entry.action, until: now, undone: false)
        try connection.execute(
            "UPDATE steps SET until = $1, seal = $2 WHERE id = $3", [.integer(now), .text(seal), .integer(entry.id)])
    }
}
