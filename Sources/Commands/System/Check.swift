import Containers
import Images
import Linux

private let repair = Flag.bool("repair", nil, "Mend what is damaged: from the other copy, or from the registry")
private let quiet = Flag.bool("quiet", "q", "Only show what is wrong")

extension Command {
    static let systemCheck = Command(
        "check", "", "Verify blobs, layers and rows against their digests",
        details: "Reads everything that the store holds. What is damaged is not served, mounted or pushed meanwhile.",
        flags: [repair.spec, quiet.spec, ImageFlags.json.spec]
    ) { call in
        let console = call.console
        let view = ProgressView(console, isQuiet: call[quiet] || call[ImageFlags.json])
        defer { view.end() }
        let report = try await call.session.images().check(repair: call[repair], progress: view.handler)
        view.end()
        let containers = try await containerFindings(call, repair: call[repair])
        if call[ImageFlags.json] {
            console.line(JSONText.compact(.list(report.findings.map(value) + containers.map(value))))
        } else {
            for finding in report.findings { console.line(text(of: finding)) }
            for finding in containers {
                console.line(
                    "container \(finding.subject): \(finding.problem)\(finding.isRepaired ? "; repaired" : "")")
            }
            if !call[quiet] {
                let bytes = Units.size(report.bytes, digits: 4)
                console.line("Checked \(report.blobs) blobs, \(report.layers) layers, \(report.rows) rows: \(bytes)")
            }
        }
        let isLeft =
            report.findings.contains { if case .repaired = $0.outcome { false } else { true } }
            || containers.contains { !$0.isRepaired }
        if isLeft, !call[repair] { console.complain("hint: `strata system check --repair` mends it") }
        if !isLeft, !call[quiet], !call[ImageFlags.json] { console.line("Everything is as it should be.") }
        return isLeft ? 1 : 0
    }
}

/// What is wrong with the containers. A store that never had one is not touched for it.
private func containerFindings(_ call: Call, repair: Bool) async throws -> [ContainerFinding] {
    guard let names = try names(in: call.session.settings.root + "/containers"), !names.isEmpty else { return [] }
    return try await call.session.containers().perform { try $0.check(repair: repair) }
}

private func text(of finding: CheckFinding) -> String {
    let subject = "\(finding.kind.rawValue) \(finding.subject)"
    // What is wrong with a blob or a layer begins with its name already.
    var text = finding.problem.hasPrefix(subject) ? finding.problem : "\(subject): \(finding.problem)"
    if !finding.affects.isEmpty { text += " (needed by \(finding.affects.joined(separator: ", ")))" }
    switch finding.outcome {
    case .found: break
    case .repaired(let how): text += "; repaired: \(how)"
    case .unrepaired(let what): text += "; not repaired: \(what)"
    }
    return text
}

private func value(_ finding: CheckFinding) -> Value {
    let outcome: (String, String) =
        switch finding.outcome {
        case .found: ("found", "")
        case .repaired(let how): ("repaired", how)
        case .unrepaired(let what): ("unrepaired", what)
        }
    return .record(
        "strata.Finding",
        [
            .always("Kind", .string(finding.kind.rawValue)), .always("Subject", .string(finding.subject)),
            .always("Problem", .string(finding.problem)), .always("Affects", .strings(finding.affects)),
            .always("Outcome", .string(outcome.0)), .always("Detail", .string(outcome.1)),
        ])
}

private func value(_ finding: ContainerFinding) -> Value {
    .record(
        "strata.Finding",
        [
            .always("Kind", .string("container")), .always("Subject", .string(finding.subject)),
            .always("Problem", .string(finding.problem)), .always("Affects", .list([])),
            .always("Outcome", .string(finding.isRepaired ? "repaired" : "found")), .always("Detail", .string("")),
        ])
}
