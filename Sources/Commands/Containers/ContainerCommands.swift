import Containers
import Linux

extension CommandGroup {
    /// `strata container`.
    package static let container = CommandGroup(
        "container", "Manage containers",
        [
            .containerRun, .containerCreate, .containerStart, .containerStop, .containerRestart, .containerKill,
            .containerWait, .containerPause, .containerUnpause, .containerList, .containerLogs, .containerAttach,
            .containerExec, .containerCopy, .containerDiff, .containerCommit, .containerRename, .containerTop,
            .containerStats, .containerPort, .containerInspect, .containerRemove, .containerPrune, .containerUpdate,
            .containerExport, .containerCleanUp,
        ])

    /// `strata volume`.
    package static let volume = CommandGroup(
        "volume", "Manage volumes",
        [.volumeCreate, .volumeInspect, .volumeList, .volumePrune, .volumeRemove])
}

extension Call {
    /// Does something with each container that was named, all at once, and prints the names as they were typed.
    ///
    /// - Returns: the exit code: 1 where one failed; what failed is told.
    func forEachContainer(
        _ names: [String], forgiving: @escaping @Sendable (any Error) -> Bool = { _ in false },
        _ operation: @escaping @Sendable (ContainerService, ContainerID) throws -> String?
    ) async throws -> Int32 {
        let service = try session.containers()
        return await inParallel(names, forgiving: forgiving) { name in
            try await service.perform { service in try operation(service, try service.find(name)) ?? name }
        }
    }

    /// Runs work for each name, some at a time, and prints what it gives in the order of the names.
    func inParallel(
        _ names: [String], forgiving: @escaping @Sendable (any Error) -> Bool = { _ in false },
        _ work: @escaping @Sendable (String) async throws -> String
    ) async -> Int32 {
        // As many as docker's client.
        let width = 50
        var results: [Int: Result<String, any Error>] = [:]
        var code: Int32 = 0
        await withTaskGroup(of: (Int, Result<String, any Error>).self) { group in
            var next = 0
            var shown = 0
            func add() {
                guard next < names.count else { return }
                let (index, name) = (next, names[next])
                next += 1
                group.addTask {
                    do { return (index, .success(try await work(name))) } catch { return (index, .failure(error)) }
                }
            }
            for _ in 0..<min(width, names.count) { add() }
            while let (index, result) = await group.next() {
                results[index] = result
                add()
                while let result = results.removeValue(forKey: shown) {
                    shown += 1
                    switch result {
                    case .success(let text): console.line(text)
                    case .failure(let error):
                        console.report(error)
                        if !forgiving(error) { code = 1 }
                    }
                }
            }
        }
        return code
    }

    /// The error of `run`, `create` and `start -a` in docker's form, with its exit code.
    func fail(_ verb: String, _ error: any Error) -> Int32 {
        if let error = error as? ExitStatus { return error.code }
        let (message, hint) = Console.words(of: error)
        console.complain("strata: \(message)")
        if let hint { console.complain("hint: \(hint)") }
        console.complain("\nRun 'strata \(verb) --help' for more information")
        return (error as? ContainerError)?.exitCode ?? 125
    }
}

extension FlagSpec {
    /// docker's `--format`.
    static func format(_ short: Character?, _ hasTable: Bool) -> FlagSpec {
        let table = """
            'table':            Print output in table format with column headers (default)
            'table TEMPLATE':   Print output in table format using the given Go template

            """
        return .string(
            "format", short,
            """
            Format output using a custom template:
            \(hasTable ? table : "")'json':             Print in JSON format
            'TEMPLATE':         Print output using the given Go template.
            Refer to https://docs.docker.com/go/formatting/ for more information about formatting output with templates
            """)
    }
}
