import Glibc
import Linux

/// The program that makes containers of bundles.
package struct RuntimeChoice: Sendable, Equatable {
    /// `crun` or `runc`.
    package var name: String
    package var path: String
    /// Why this one, for `strata info`.
    package var reason: String

    package init(name: String, path: String, reason: String) {
        self.name = name
        self.path = path
        self.reason = reason
    }

    /// Chooses a runtime that works on this host: crun, which starts faster, where it can.
    ///
    /// - Parameter wanted: a name or path of `--runtime`; nil or empty chooses.
    package static func probe(wanted: String? = nil, cgroups: Cgroups) throws(ContainerError) -> RuntimeChoice {
        if let wanted, !wanted.isEmpty, wanted != "io.containerd.runc.v2" {
            let path = wanted.hasPrefix("/") ? (isExecutable(wanted) ? wanted : nil) : find(wanted)
            guard let path else {
                throw ContainerError(
                    .invalid, "unknown or invalid runtime name: \(wanted)",
                    hint: "install \(wanted), or leave out --runtime")
            }
            return RuntimeChoice(
                name: wanted.split(separator: "/").last.map(String.init) ?? wanted, path: path, reason: "asked for")
        }
        let crun = find("crun")
        let runc = find("runc")
        if let crun, !cgroups.splitsControllers {
            return RuntimeChoice(name: "crun", path: crun, reason: "starts fastest")
        }
        if let runc {
            return RuntimeChoice(
                name: "runc", path: runc,
                reason: crun == nil
                    ? "crun is not installed"
                    : "crun refuses this host, which mixes cgroup v1 with controllers in cgroup v2")
        }
        if crun != nil {
            throw ContainerError(
                .unavailable, "crun refuses this host, which mixes cgroup v1 with controllers in cgroup v2",
                hint: "install runc")
        }
        throw ContainerError(
            .unavailable, "no container runtime found: neither crun nor runc is installed", hint: "apt-get install crun"
        )
    }

    /// A program in the places where Debian has it.
    package static func find(_ name: String) -> String? {
        let own = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? ""
        let directories =
            own.split(separator: ":").map(String.init) + [
                "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/lib/podman",
                "/usr/libexec/podman",
            ]
        return directories.lazy.map { "\($0)/\(name)" }.first(where: isExecutable)
    }

    static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }
}
