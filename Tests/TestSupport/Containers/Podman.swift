/// podman over a store of its own, with an image.
package final class Podman: Sendable {
    private let directory: TemporaryDirectory

    /// What the development machines need: without CAP_SYS_RESOURCE podman cannot raise these.
    package static let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]

    package init(loading archive: String) throws {
        directory = try TemporaryDirectory()
        let loaded = try run(["load", "-q", "-i", archive])
        if loaded.status != 0 { throw StrataProcess.Failure(description: "podman load: \(loaded)") }
    }

    deinit {
        _ = try? run(["rm", "-f", "-a", "-t", "0"])
        _ = try? runShell(
            "grep -o ' \(directory.path)[^ ]*' /proc/self/mounts | tac | xargs -r umount -l 2>/dev/null || true")
    }

    /// Runs a command to its end.
    package func run(_ arguments: [String], input: [UInt8] = []) throws -> StrataProcess.Result {
        // crun refuses hosts that mix cgroup v1 with controllers in v2.
        try RunningProcess(
            [
                "/usr/bin/podman", "--root", directory.path + "/root", "--runroot", directory.path + "/run",
                "--runtime", "runc", "--cgroup-manager", "cgroupfs",
            ] + arguments,
            environment: [
                "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": directory.path,
                "OUTSIDE": "seen",
            ], directory: directory.path
        ).finish(input: input)
    }
}
