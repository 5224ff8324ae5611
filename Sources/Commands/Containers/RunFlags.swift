/// docker's flags of `run` and `create`, as docker 28's help has them; those for Windows left out.
enum RunFlags {
    /// Flags of both.
    private static let shared: [FlagSpec] = [
        .list("add-host", nil, "Add a custom host-to-IP mapping (host:ip)"),
        .list(
            "annotation", nil, "Add an annotation to the container (passed through to the OCI runtime) (default map[])",
            "map"),
        .list("attach", "a", "Attach to STDIN, STDOUT or STDERR"),
        .int(
            "blkio-weight", nil, "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)",
            "uint16"),
        .list("blkio-weight-device", nil, "Block IO weight (relative device weight) (default [])").hidden,
        .list("cap-add", nil, "Add Linux capabilities"),
        .list("cap-drop", nil, "Drop Linux capabilities"),
        .string("cgroup-parent", nil, "Optional parent cgroup for the container"),
        .string(
            "cgroupns", nil,
            """
            Cgroup namespace to use (host|private)
            'host':    Run the container in the Docker host's cgroup namespace
            'private': Run the container in its own private cgroup namespace
            '':        Use the cgroup namespace as configured by the
                       default-cgroupns-mode option on the daemon (default)
            """),
        .string("cidfile", nil, "Write the container ID to the file"),
        .int("cpu-period", nil, "Limit CPU CFS (Completely Fair Scheduler) period"),
        .int("cpu-quota", nil, "Limit CPU CFS (Completely Fair Scheduler) quota"),
        .int("cpu-rt-period", nil, "Limit CPU real-time period in microseconds"),
        .int("cpu-rt-runtime", nil, "Limit CPU real-time runtime in microseconds"),
        .int("cpu-shares", "c", "CPU shares (relative weight)"),
        .string("cpus", nil, "Number of CPUs", "decimal"),
        .string("cpuset-cpus", nil, "CPUs in which to allow execution (0-3, 0,1)"),
        .string("cpuset-mems", nil, "MEMs in which to allow execution (0-3, 0,1)"),
        .list("device", nil, "Add a host device to the container"),
        .list("device-cgroup-rule", nil, "Add a rule to the cgroup allowed devices list"),
        .list("device-read-bps", nil, "Limit read rate (bytes per second) from a device (default [])"),
        .list("device-read-iops", nil, "Limit read rate (IO per second) from a device (default [])"),
        .list("device-write-bps", nil, "Limit write rate (bytes per second) to a device (default [])"),
        .list("device-write-iops", nil, "Limit write rate (IO per second) to a device (default [])"),
        .bool("disable-content-trust", nil, "Skip image verification", default: true).hidden,
        .list("dns", nil, "Set custom DNS servers"),
        .list("dns-option", nil, "Set DNS options"),
        .list("dns-search", nil, "Set custom DNS search domains"),
        .string("domainname", nil, "Container NIS domain name"),
        .string("entrypoint", nil, "Overwrite the default ENTRYPOINT of the image"),
        .list("env", "e", "Set environment variables"),
        .list("env-file", nil, "Read in a file of environment variables"),
        .list("expose", nil, "Expose a port or a range of ports"),
        .string("gpus", nil, "GPU devices to add to the container ('all' to pass all GPUs)", "gpu-request").hidden,
        .list("group-add", nil, "Add additional groups to join"),
        .string("health-cmd", nil, "Command to run to check health"),
        .duration("health-interval", "Time between running the check (ms|s|m|h) (default 0s)"),
        .int("health-retries", nil, "Consecutive failures needed to report unhealthy"),
        .duration(
            "health-start-interval", "Time between running the check during the start period (ms|s|m|h) (default 0s)"),
        .duration(
            "health-start-period",
            "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)"
        ),
        .duration("health-timeout", "Maximum time to allow one check to run (ms|s|m|h) (default 0s)"),
        .string("hostname", "h", "Container host name"),
        .bool("init", nil, "Run an init inside the container that forwards signals and reaps processes"),
        .bool("interactive", "i", "Keep STDIN open even if not attached"),
        .string("ip", nil, "IPv4 address (e.g., 172.30.100.104)"),
        .string("ip6", nil, "IPv6 address (e.g., 2001:db8::33)").hidden,
        .string("ipc", nil, "IPC mode to use"),
        .bytes("kernel-memory", nil, "Kernel memory limit").hidden,
        .list("label", "l", "Set meta data on a container"),
        .list("label-file", nil, "Read in a line delimited file of labels"),
        .list("link", nil, "Add link to another container"),
        .list("link-local-ip", nil, "Container IPv4/IPv6 link-local addresses").hidden,
        .string("log-driver", nil, "Logging driver for the container"),
        .list("log-opt", nil, "Log driver options"),
        .string("mac-address", nil, "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),
        .bytes("memory", "m", "Memory limit"),
        .bytes("memory-reservation", nil, "Memory soft limit"),
        .bytes("memory-swap", nil, "Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),
        .int("memory-swappiness", nil, "Tune container memory swappiness (0 to 100) (default -1)"),
        .list("mount", nil, "Attach a filesystem mount to the container", "mount"),
        .string("name", nil, "Assign a name to the container"),
        .list("network", nil, "Connect a container to a network", "network"),
        .list("network-alias", nil, "Add network-scoped alias for the container"),
        .bool("no-healthcheck", nil, "Disable any container-specified HEALTHCHECK"),
        .bool("oom-kill-disable", nil, "Disable OOM Killer"),
        .int("oom-score-adj", nil, "Tune host's OOM preferences (-1000 to 1000)"),
        .string("pid", nil, "PID namespace to use"),
        .int("pids-limit", nil, "Tune container pids limit (set -1 for unlimited)"),
        .string("platform", nil, "Set platform if server is multi-platform capable"),
        .bool("privileged", nil, "Give extended privileges to this container"),
        .list("publish", "p", "Publish a container's port(s) to the host"),
        .bool("publish-all", "P", "Publish all exposed ports to random ports"),
        .bool("quiet", "q", "Suppress the pull output"),
        .bool("read-only", nil, "Mount the container's root filesystem as read only"),
        .string("restart", nil, "Restart policy to apply when a container exits (default \"no\")"),
        .bool("rm", nil, "Automatically remove the container and its associated anonymous volumes when it exits"),
        .string("runtime", nil, "Runtime to use for this container"),
        .list("security-opt", nil, "Security Options"),
        .bytes("shm-size", nil, "Size of /dev/shm"),
        .string("stop-signal", nil, "Signal to stop the container"),
        .int("stop-timeout", nil, "Timeout (in seconds) to stop a container"),
        .list("storage-opt", nil, "Storage driver options for the container").hidden,
        .list("sysctl", nil, "Sysctl options (default map[])", "map"),
        .list("tmpfs", nil, "Mount a tmpfs directory"),
        .bool("tty", "t", "Allocate a pseudo-TTY"),
        .list("ulimit", nil, "Ulimit options (default [])", "ulimit"),
        .string("user", "u", "Username or UID (format: <name|uid>[:<group|gid>])"),
        .string("userns", nil, "User namespace to use"),
        .string("uts", nil, "UTS namespace to use"),
        .list("volume", "v", "Bind mount a volume"),
        .string("volume-driver", nil, "Optional volume driver for the container"),
        .list("volumes-from", nil, "Mount volumes from the specified container(s)"),
        .string("workdir", "w", "Working directory inside the container"),
    ]

    /// Other spellings that docker takes.
    private static let aliases: [FlagSpec] = [
        .list("net", nil, "Connect a container to a network").hidden,
        .list("net-alias", nil, "Add network-scoped alias for the container").hidden,
        .list("dns-opt", nil, "Set DNS options").hidden,
    ]

    static let create: [FlagSpec] =
        shared + aliases + [
            .string(
                "pull", nil, "Pull image before creating (\"always\", \"|missing\", \"never\") (default \"missing\")")
        ]

    static let run: [FlagSpec] =
        shared + aliases + [
            .bool("detach", "d", "Run container in background and print container ID"),
            .string("detach-keys", nil, "Override the key sequence for detaching a container"),
            .string(
                "pull", nil, "Pull image before running (\"always\", \"missing\", \"never\") (default \"missing\")"),
            .bool("sig-proxy", nil, "Proxy received signals to the process", default: true),
        ]
}
