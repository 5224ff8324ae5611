import Content
import Linux
import OCI

extension ImageService {
    package func prune(_ filter: ImageFilter, all: Bool, plan: Bool, now: Bool) async throws -> PruneReport {
        try await blocking { try self.pruned(filter, all: all, plan: plan, now: now) }
    }

    /// Ends the transaction of a plan: nothing of it is kept.
    private struct PlanOnly: Error { var items: [PruneReport.Item] }

    private func pruned(_ filter: ImageFilter, all: Bool, plan: Bool, now: Bool) throws -> PruneReport {
        let users = try imageUsers()
        var items: [PruneReport.Item]
        do {
            items = try step(.prune) { step in
                let items = try self.prune(&step, filter, all: all, freesRestorable: now, users: users)
                if plan { throw PlanOnly(items: items) }
                return items
            }
        } catch let planned as PlanOnly { items = planned.items }
        for (digest, bytes) in try blobs.abandoned() {
            items.append(.init(removal: .deleted(digest), bytes: bytes, reason: "interrupted download"))
        }
        let hasImages = items.contains { $0.reason != "interrupted download" }
        Failpoint.reach("prune")
        if !plan { try collect(CollectionReach(interrupted: true, restorable: now)) }
        return PruneReport(
            items: items, reclaimedBytes: items.reduce(0) { $0 + $1.bytes },
            restorableUntil: now || !hasImages || options.graceSeconds <= 0 ? nil : self.now() + options.graceSeconds)
    }

    private func prune(
        _ step: inout Step, _ filter: ImageFilter, all: Bool, freesRestorable: Bool, users: [ImageUser]
    ) throws -> [PruneReport.Item] {
        var items: [PruneReport.Item] = []
        let images = try ImageStore.images(.all, .full, step.connection)
        // What earlier steps removed holds bytes only as long as undo may bring it back.
        var ledger = ByteLedger(images)
        let usedImages = Set(users.map(\.imageID))
        if freesRestorable {
            for image in images where image.removedBy != nil && !usedImages.contains(image.id) {
                items.append(
                    .init(
                        removal: .deleted(image.id), bytes: storedBytes(ledger.release(image)),
                        reason: "removed before, kept for undo"))
            }
        }
        for image in images
        where image.removedBy == nil && !usedImages.contains(image.id) && takes(image, filter, all: all) {
            let reason = image.tags.isEmpty ? "no tag names it" : "no container uses it"
            for removal in try removals(of: image, &step) {
                let bytes = removal == .deleted(image.id) ? storedBytes(ledger.release(image)) : 0
                items.append(.init(removal: removal, bytes: bytes, reason: reason))
            }
        }
        return items
    }

    private func takes(_ image: StoredImage, _ filter: ImageFilter, all: Bool) -> Bool {
        // docker: `-a` is `dangling=false`.
        let danglingOnly = filter.dangling ?? !all
        if danglingOnly, !image.tags.isEmpty { return false }
        if let until = filter.until, image.created ?? .max > until { return false }
        return filter.accepts(labels: image.labels)
    }

    private func removals(of image: StoredImage, _ step: inout Step) throws -> [Removal] {
        if image.references.isEmpty { return try step.remove(image.id.description, force: true, users: []) }
        // One name after the other; the image goes with the last one.
        var removals: [Removal] = []
        var left = image.references.map(\.name)
        while let name = left.first {
            let done = try step.remove(name.stored, force: false, users: [])
            removals += done
            left.removeAll { done.contains(.untagged($0.familiar)) }
        }
        return removals
    }
}
