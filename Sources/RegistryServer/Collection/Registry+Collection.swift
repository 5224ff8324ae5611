import OCI

extension Registry {
    private static let batch = 200

    /// What a collection now would remove, with reasons. Nothing is changed.
    package func garbage() async throws -> [GarbageItem] {
        let now = now()
        let cutoff = now - policy.grace.milliseconds
        let removesUntagged = policy.removesUntagged
        return try await Workers.run { [database, storage] in
            let limit = Int(Int32.max)
            return try database.readBlocking { records in
                var items = try removesUntagged ? records.untagged(before: cutoff, now: now, limit: limit) : []
                items += try records.garbageManifests(before: cutoff, now: now, limit: limit)
                items += try records.garbageLinks(before: cutoff, now: now, limit: limit)
                items += try records.garbageBlobs(before: cutoff, limit: limit)
                try storage.forEachBlob { blob in
                    if try !records.hasBlob(blob.digest) { items.append(Self.orphan(blob)) }
                }
                return items
            }
        }
    }

    private static func orphan(_ blob: StoredBlob) -> GarbageItem {
        GarbageItem(
            kind: .orphan, repository: "", digest: blob.digest, bytes: blob.size,
            reason: "its push was never acknowledged")
    }

    /// Removes what nothing needs, while pushes and pulls go on.
    ///
    /// Every removal looks again, in its own transaction, whether the thing is still garbage; bytes go under the lock that
    /// their publication takes. Stopped anywhere, it leaves more garbage at most.
    ///
    /// - Returns: what was removed.
    @discardableResult
    package func collectGarbage() async throws -> [GarbageItem] {
        try await expireUploads()
        let now = now()
        let cutoff = now - policy.grace.milliseconds
        var removed: [GarbageItem] = []
        if policy.removesUntagged {
            removed += try await sweep {
                try $0.untagged(before: cutoff, now: now, limit: Self.batch)
            } remove: {
                try $0.deleteUntagged($1, before: cutoff, at: now)
            }
        }
        // A hold goes before the manifests that explain why it may: both conditions are over the same state.
        removed += try await sweep {
            try $0.garbageLinks(before: cutoff, now: now, limit: Self.batch)
        } remove: {
            try $0.removeLink($1, before: cutoff)
        }
        removed += try await sweep {
            try $0.garbageManifests(before: cutoff, now: now, limit: Self.batch)
        } remove: {
            try $0.removeManifest($1, before: cutoff)
        }
        removed += try await removeBytes(before: cutoff)
        return removed
    }

    /// Removes rows in batches until there are none, or none that may go.
    private func sweep(
        _ find: @escaping @Sendable (RegistryRecords) throws -> [GarbageItem],
        remove: @escaping @Sendable (RegistryRecords, GarbageItem) throws -> Bool
    ) async throws -> [GarbageItem] {
        var removed: [GarbageItem] = []
        while true {
            try Task.checkCancellation()
            let items = try await database.read(find)
            let gone = try await database.write { records in try items.filter { try remove(records, $0) } }
            removed += gone
            if items.count < Self.batch || gone.isEmpty { return removed }
        }
    }

    private func removeBytes(before cutoff: Int64) async throws -> [GarbageItem] {
        var removed: [GarbageItem] = []
        while true {
            try Task.checkCancellation()
            let items = try await database.read { try $0.garbageBlobs(before: cutoff, limit: Self.batch) }
            let gone = try await Workers.run { [database, storage] in
                try items.filter { item in
                    try storage.exclusively(item.digest) {
                        if try !database.writeBlocking({ try $0.removeBlob(item.digest) }) { return false }
                        try storage.remove(item.digest)
                        return true
                    }
                }
            }
            removed += gone
            if items.count < Self.batch || gone.isEmpty { break }
        }
        return try await Workers.run { [database, storage, removed] in
            var orphans: [StoredBlob] = []
            try database.readBlocking { records in
                try storage.forEachBlob { if try !records.hasBlob($0.digest) { orphans.append($0) } }
            }
            // Published and not yet in the database is a moment under the lock: looked at again there.
            let gone = try orphans.filter { blob in
                try storage.exclusively(blob.digest) {
                    if try database.readBlocking({ try $0.hasBlob(blob.digest) }) { return false }
                    try storage.remove(blob.digest)
                    return true
                }
            }
            return removed + gone.map(Self.orphan)
        }
    }
}
