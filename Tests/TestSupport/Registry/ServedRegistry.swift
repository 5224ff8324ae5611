import Linux

/// `strata registry serve` as a process of its own on a free loopback port, ready to answer.
///
///     let served = try await ServedRegistry.start(strata, ["--auth", "token"])
///     let answer = try await served.client.send("GET", "/v2/")
///     try served.stop()
package struct ServedRegistry: Sendable {
    package let strata: StrataProcess
    package let process: RunningProcess
    package let port: Int

    /// `127.0.0.1:PORT`.
    package var authority: String { "127.0.0.1:\(port)" }
    package var client: WireClient { WireClient(port: port) }

    /// Starts a registry in the store of a process and waits until it can store and answer.
    ///
    /// - Parameters:
    ///   - flags: of `strata registry serve`.
    ///   - port: the port of an earlier one, which clients know; nil for a free one.
    package static func start(_ strata: StrataProcess, _ flags: [String] = [], port: Int? = nil) async throws
        -> ServedRegistry
    {
        let port = try port ?? freePort()
        let process = try strata.start(["registry", "serve", "--listen", "127.0.0.1:\(port)"] + flags)
        let served = ServedRegistry(strata: strata, process: process, port: port)
        let deadline = ContinuousClock.now + .seconds(60)
        while (try? await served.client.send("GET", "/readyz").status) != 200 {
            if ContinuousClock.now > deadline {
                throw StrataProcess.Failure(description: "the registry does not serve: \(process.errorOutput)")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        return served
    }

    /// Ends it as a service manager would, and demands that it ends well.
    package func stop() throws {
        process.signal(15)
        let end = try process.finish()
        if end.status != 0 || !end.errorOutput.contains("stopped") {
            throw StrataProcess.Failure(description: "the registry did not stop well: \(end)")
        }
    }

    /// Runs a script beside the registry, with a home of the process's own, on a thread of its own.
    package func shell(_ script: String) async throws -> String {
        let path = strata.directory.path
        return try await onThread(named: "shell") {
            try runShell("export HOME='\(path)/home' REGISTRY_AUTH_FILE='\(path)/auth.json'; \(script)", in: path)
        }
    }
}
