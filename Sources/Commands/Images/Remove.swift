import Images
import Linux
import OCI

private let force = Flag.bool("force", "f", "Force removal of the image")
private let noPrune = Flag.bool("no-prune", nil, "Do not delete untagged parents")
private let platform = ImageFlags.platform("Remove only the given platform variant.")
private let all = Flag.bool("all", "a", "Remove all unused images, not just dangling ones")
private let filter = Flag.list(
    "filter", nil, "Provide filter values (e.g. \"until=<timestamp>\")", valueName: "filter")
private let noPrompt = Flag.bool("force", "f", "Do not prompt for confirmation")
private let plan = Flag.bool("plan", nil, "Show what would go, why, and how many bytes it frees; remove nothing")
private let now = Flag.bool("now", nil, "Free the space at once: nothing of it can be undone")
private let list = Flag.bool("list", "l", "Show what can be undone")

extension Command {
    static let imageRemove = Command(
        "rm", "IMAGE [IMAGE...]", "Remove one or more images",
        details: "What it removes can be brought back for a day: `strata image undo`.",
        aliases: ["remove"], shortForms: ["rmi"],
        flags: [force.spec, noPrune.spec, platform.spec, now.spec], count: .atLeast(1), completes: .images
    ) { call in
        let images = try call.session.images()
        return await forEach(call.arguments, call) { name in
            do {
                let removals = try await images.remove(
                    name, force: call[force], keepParents: call[noPrune], platform: call[platform], now: call[now])
                for removal in removals { call.console.line(removal.line) }
            } catch let error as ImageError where error.code == .notFound && call[force] {
                // As docker: with --force a missing image is told, and is no failure.
                call.console.report(error)
            }
        }
    }

    static let imageTag = Command(
        "tag", "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
        shortForms: ["tag"], count: .exactly(2), completes: .images
    ) { call in
        let target: Reference
        do { target = try Reference(parsing: call.arguments[1]) } catch {
            throw UsageWords(
                description:
                    "Error parsing reference: \(GoFormat.quoted(call.arguments[1])) is not a valid repository/tag: \(error)"
            )
        }
        try await call.session.images().tag(call.arguments[0], as: target)
        return 0
    }

    static let imagePrune = Command(
        "prune", "", "Remove unused images",
        details: "What it removes can be brought back for a day: `strata image undo`.",
        flags: [all.spec, filter.spec, noPrompt.spec, plan.spec, now.spec]
    ) { call in
        let console = call.console
        let images = try call.session.images()
        let terms = try ImageFilter(parsing: call[filter], for: .prune, now: wallClockSeconds())
        if call[plan] {
            let report = try await images.prune(terms, all: call[all], plan: true, now: call[now])
            console.write(PrunePlan.text(report))
            return 0
        }
        if !call[noPrompt] {
            let what =
                call[all] ? "all images without at least one container associated to them" : "all dangling images"
            console.complain("WARNING! This will remove \(what).")
            guard console.confirm("Are you sure you want to continue?") else {
                throw UsageWords(description: "image prune has been cancelled")
            }
        }
        let report = try await images.prune(terms, all: call[all], plan: false, now: call[now])
        if !report.items.isEmpty {
            console.line("Deleted Images:")
            for item in report.items { console.line(item.removal.pruneLine) }
            console.line("")
        }
        console.line("Total reclaimed space: \(Units.size(report.reclaimedBytes, digits: 4))")
        if report.restorableUntil != nil, report.reclaimedBytes > 0 {
            console.complain(
                "The space is freed in a day; until then `strata image undo` brings the images back. "
                    + "`strata image prune --now` frees it at once.")
        }
        return 0
    }

    static let imageUndo = Command(
        "undo", "[STEP]", "Bring back what rm, prune or a moved tag took",
        details: "Takes back the newest step, or the one that is named. Each step can be taken back for a day.",
        flags: [list.spec, ImageFlags.format.spec, ImageFlags.json.spec], count: .atMost(1)
    ) { call in
        let images = try call.session.images()
        if call[list] {
            let rows = try await images.undoEntries().map(row)
            call.console.write(try undoListing.text(rows, format: call.format))
            return 0
        }
        let id = try call.arguments.first.map { text in
            guard let id = Int64(text) else {
                throw UsageWords(description: "\(text) is no step: `strata image undo --list` shows them")
            }
            return id
        }
        let entry = try await images.undo(id)
        call.console.line("Undone: \(entry.action) of \(Units.ago(entry.at))")
        for change in entry.changes { call.console.line("  \(change)") }
        return 0
    }
}

private let undoListing = Listing(
    [("Step", "STEP"), ("Action", "ACTION"), ("When", "WHEN"), ("Until", "UNTIL"), ("Changes", "CHANGES")],
    standard: "{{.Step}}\t{{.When}}\t{{.Action}}\t{{.Changes}}")

private func row(_ entry: UndoEntry) -> Value {
    .record(
        "strata.UndoEntry",
        [
            .always("Step", .int(entry.id)), .always("Action", .string(entry.action)),
            .always("When", .string(Units.ago(entry.at))), .always("Until", .string(Times.rfc3339(entry.until))),
            .always("Changes", .string(entry.changes.joined(separator: ", "))),
        ])
}

extension Removal {
    var line: String {
        switch self {
        case .untagged(let name): "Untagged: \(name)"
        case .deleted(let digest): "Deleted: \(digest)"
        }
    }

    var pruneLine: String {
        switch self {
        case .untagged(let name): "untagged: \(name)"
        case .deleted(let digest): "deleted: \(digest)"
        }
    }
}

/// `prune --plan`: each thing that would go, the bytes that go with it alone, and why.
private enum PrunePlan {
    static func text(_ report: PruneReport) -> String {
        let rows = report.items.map { item in
            "\(item.removal.line)\t\(item.bytes > 0 ? Units.size(item.bytes, digits: 4) : "-")\t\(item.reason)"
        }
        let table = rows.isEmpty ? "Nothing would be removed.\n" : Table.laidOut(["WOULD GO\tFREES\tREASON"] + rows)
        return table + "\nTotal: \(Units.size(report.reclaimedBytes, digits: 4))\n"
    }
}
