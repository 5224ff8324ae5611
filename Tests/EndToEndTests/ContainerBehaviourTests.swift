import Linux
import TestSupport
import Testing

/// What docker's users rely on, the same rows asked of `strata run` and of `podman run` on this machine: exit codes,
/// output, and the files of a bind mount must agree. Where podman is not docker, the row says what docker does and why.
@Suite struct ContainerBehaviourTests {
    struct Row: Sendable {
        var name: String
        var flags: [String]
        var command: [String]
        var input: String?
        /// Status and output that strata must give instead of podman's, and why.
        var instead: (status: Int32, output: String, why: String)?

        init(
            _ name: String, _ flags: [String], _ command: [String], input: String? = nil,
            instead: (Int32, String, String)? = nil
        ) {
            self.name = name
            self.flags = flags
            self.command = command
            self.input = input
            self.instead = instead
        }

        static func shell(
            _ name: String, _ flags: [String], _ script: String, input: String? = nil,
            instead: (Int32, String, String)? = nil
        ) -> Row { Row(name, flags, ["sh", "-c", script], input: input, instead: instead) }

        /// Capabilities by name: the defaults of the two differ.
        static let chosen =
            ["--cap-drop", "ALL"]
            + [
                "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP",
                "SETUID", "SYS_CHROOT",
            ].flatMap { ["--cap-add", $0] }
    }

    /// `HOSTDIR` is a directory with a `file`, `ENVFILE` a file of variables; both fresh for each engine.
    static let rows: [Row] = [
        .shell("exit code", [], "exit 42"),
        .shell("exit by signal", [], "kill -9 $$"),
        .shell("signal of a child", [], "sh -c 'kill -TERM $$'; echo $?"),
        .init("program that is not there", [], ["nosuch"]),
        .init("path that is not there", [], ["/no/such"]),
        .init("file that cannot be run", [], ["/etc/passwd"]),
        .init("directory as program", [], ["/etc"]),
        .shell("standard input", ["-i"], "cat; echo end", input: "a\nb\n"),
        .shell("no standard input", [], "cat; echo end", input: "dropped\n"),
        .shell("standard error apart", [], "echo out; echo err >&2"),
        .shell("environment", ["-e", "A=1", "-e", "IMAGE=mine"], "echo $A $IMAGE $PATH"),
        .shell("environment from outside", ["-e", "OUTSIDE"], "echo $OUTSIDE"),
        .shell("environment file", ["--env-file", "ENVFILE"], "echo $B $C"),
        .shell("home of the user", ["-u", "app"], "echo $HOME"),
        .shell("user by name", ["-u", "app"], "id -u; id -g; id -G"),
        .shell("user by number", ["-u", "1000"], "id -u; id -g; id -un"),
        .shell("unknown number", ["-u", "4242"], "id -u; id -g"),
        .shell("user and group", ["-u", "app:mail"], "id -u; id -g; id -G"),
        .shell("user and group by number", ["-u", "7:8"], "id -u; id -g"),
        .init("unknown user", ["-u", "nosuch"], ["true"], instead: (125, "", "docker and strata say 125, podman 126")),
        .shell("added group", ["--group-add", "777"], "id -G | tr ' ' '\\n' | grep -c 777"),
        .init("working directory", ["-w", "/etc"], ["pwd"]),
        .shell(
            "working directory is made", ["-w", "/made/here"], "pwd; stat -c %a:%u:%g .",
            instead: (0, "/made/here\n755:0:0\n", "podman 4 refuses what docker makes")),
        .init("entrypoint", ["--entrypoint", "echo"], ["a", "b c"]),
        .shell(
            "hostname", ["-h", "web"], "hostname; cat /etc/hostname",
            instead: (0, "web\nweb\n", "podman leaves the line break out")),
        .shell("hostname in hosts", ["-h", "web"], "grep -c web /etc/hosts"),
        .shell("added host", ["--add-host", "other:10.1.2.3"], "grep 10.1.2.3 /etc/hosts | tr -s '\\t ' ' '"),
        .shell(
            "name servers", ["--dns", "9.9.9.9", "--dns-search", "example.test", "--dns-option", "ndots:2"],
            "grep -v '^#' /etc/resolv.conf | sort"),
        .shell("read-only root", ["--read-only"], "touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo shm"),
        .shell(
            "tmpfs", ["--tmpfs", "/t:size=1m,mode=700"],
            "grep ' /t ' /proc/mounts | grep -o 'size=1024k'; stat -c %a /t; touch /t/x && ls /t"),
        .shell("size of shm", ["--shm-size", "8m"], "df -k /dev/shm | tail -1 | awk '{print $2}'"),
        .shell("bind mount", ["-v", "HOSTDIR:/h"], "cat /h/file; echo back > /h/back"),
        .shell("read-only bind mount", ["-v", "HOSTDIR:/h:ro"], "cat /h/file; touch /h/x 2>/dev/null || echo refused"),
        .shell(
            "bind mount in the long form", ["--mount", "type=bind,source=HOSTDIR,target=/h,readonly"],
            "cat /h/file; touch /h/x 2>/dev/null || echo refused"),
        .init("missing source of a mount", ["--mount", "type=bind,source=/no/such/thing,target=/h"], ["true"]),
        .shell("bind of a file", ["-v", "HOSTDIR/file:/one"], "cat /one"),
        .shell(
            "volume takes what the image has", ["-v", "fresh:/data"],
            "cat /data/seed /data/sub/deep; stat -c %u:%g /data/seed"),
        .shell(
            "volume keeps what was written", ["-v", "kept:/data"], "cat /data/mine 2>/dev/null; echo once >> /data/mine"
        ),
        .shell("volume keeps what was written, again", ["-v", "kept:/data"], "cat /data/mine"),
        .shell("anonymous volume", ["-v", "/data"], "cat /data/seed; echo x > /data/new && cat /data/new"),
        .shell("chosen capabilities", Row.chosen, "grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status"),
        .shell(
            "no capabilities", ["--cap-drop", "ALL"],
            "grep -E 'Cap(Eff|Prm|Bnd)' /proc/self/status; chown 1 /etc/passwd 2>/dev/null || echo refused"),
        .shell("added capability", ["--cap-drop", "ALL", "--cap-add", "NET_ADMIN"], "grep CapEff /proc/self/status"),
        .shell(
            "capabilities of a plain user", ["-u", "app"] + Row.chosen, "grep -E 'Cap(Eff|Prm)' /proc/self/status",
            instead: (
                0, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n",
                "podman hands added capabilities to plain users, docker does not"
            )),
        .shell("no new privileges", ["--security-opt", "no-new-privileges"], "grep NoNewPrivs /proc/self/status"),
        .shell("seccomp", [], "grep Seccomp: /proc/self/status; unshare -m true 2>/dev/null || echo refused"),
        .shell("seccomp off", ["--security-opt", "seccomp=unconfined"], "grep Seccomp: /proc/self/status"),
        .shell(
            "masked paths", [], "cat /proc/kcore | wc -c; ls -A /sys/firmware | wc -l; cat /proc/timer_list | wc -c"),
        .shell(
            "read-only paths", [],
            "echo 1 > /proc/sys/kernel/panic 2>/dev/null || echo refused; echo h > /proc/sysrq-trigger 2>/dev/null || echo refused"
        ),
        // Counted by the shell itself: the programs of a pipe come one after the other.
        .shell("own process numbers", [], "echo $$; set -- /proc/[0-9]*; echo $#"),
        .shell(
            "init", ["--init"], "cat /proc/1/comm | grep -c init; test $$ -ne 1 && echo child",
            instead: (0, "1\nchild\n", "Debian's podman comes without an init program")),
        .shell("memory limit", ["--memory", "16m"], "tail /dev/zero"),
        .shell(
            "limit of processes", ["--pids-limit", "5"], "for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; echo all"),
        .shell("ulimit", ["--ulimit", "core=0:0"], "ulimit -c"),
        .shell("device", ["--device", "/dev/zero:/dev/mine"], "stat -c %t:%T /dev/mine; head -c1 /dev/mine | wc -c"),
        .shell(
            "devices that are there", [],
            "ls /dev | grep -E '^(null|zero|full|random|urandom|tty|ptmx|pts|shm|mqueue|fd|stdin|stdout|stderr)$' | sort | tr '\\n' ' '"
        ),
        .shell(
            "foreign device", ["--cap-add", "MKNOD"], "mknod /tmp/d b 8 0 && cat /tmp/d 2>/dev/null || echo refused"),
        .shell("system control", ["--sysctl", "net.ipv4.ip_forward=1"], "cat /proc/sys/net/ipv4/ip_forward"),
        .shell("no network", ["--network", "none"], "ls /sys/class/net; ip -o link show lo | grep -c UP"),
        .shell("the host's network", ["--network", "host"], "readlink /proc/self/ns/net"),
        .shell("bridge network", [], "ls /sys/class/net | sort | tr '\\n' ' '; ip route | grep -c default"),
        .shell("terminal", ["-t"], "test -t 1 && echo terminal; echo $TERM"),
        .shell(
            "privileged", ["--privileged"],
            "test -c /dev/kmsg && echo kmsg; grep Seccomp: /proc/self/status; mount -t tmpfs none /tmp && echo mounted"),
        .shell("host's process numbers", ["--pid", "host"], "test $(ls -d /proc/[0-9]* | wc -l) -gt 10 && echo many"),
        .shell("owner and mode of new files", [], "umask; touch /tmp/f; stat -c %u:%g:%a /tmp/f"),
        .shell(
            "root directory", [], "stat -c '%a %u:%g' /",
            instead: (0, "755 0:0\n", "podman's own root directory is 555")),
        .init("mark of a bad flag", ["--no-such-flag"], ["true"]),
        .init("stop signal", ["--stop-signal", "NOSUCH"], ["true"]),
        .init("bad volume", ["-v", "a:b:c:d"], ["true"]),
        .init("bad port", ["-p", "x"], ["true"]),
        .init("bad memory", ["--memory", "lots"], ["true"]),
    ]

    /// What a command gave, and what it left in the bind mount.
    private struct Answer: Equatable {
        var status: Int32
        var output: String
        var files: [String]
    }

    @Test func everyRowIsAsPodmanHasIt() async throws {
        let stage = try ContainerStage(environment: ["OUTSIDE": "seen"])
        let podman = try Podman(loading: stage.archive)
        // Two at a time: rows wait for processes, not for each other. Rows that share a volume stand in one half.
        let half = Self.rows.count / 2
        async let first: Void = onThread(named: "rows") {
            for row in Self.rows[..<half] { try Self.check(row, stage, podman) }
        }
        async let second: Void = onThread(named: "rows") {
            for row in Self.rows[half...] { try Self.check(row, stage, podman) }
        }
        _ = try await (first, second)
        #expect(try stage.containers().isEmpty)
        let left = try stage.leftovers()
        #expect(left == [])
    }

    private static func check(_ row: Row, _ stage: ContainerStage, _ podman: Podman) throws {
        let (ours, complaint) = try ask(row) { arguments in
            try stage.strata.run(["run", "--rm"] + arguments, input: Array((row.input ?? "").utf8))
        }
        if let instead = row.instead {
            #expect(
                ours.status == instead.status && ours.output == instead.output, "\(row.name): \(ours) \(complaint)")
            return
        }
        func askPodman() throws -> (Answer, String) {
            try ask(row) { arguments in
                try podman.run(["run", "--rm"] + Podman.limits + arguments, input: Array((row.input ?? "").utf8))
            }
        }
        var (theirs, other) = try askPodman()
        // Podman says 127 too where it removed the container before it asked how it ended.
        if theirs.status == 127, ours.status != 127 { (theirs, other) = try askPodman() }
        #expect(ours == theirs, "\(row.name): \(complaint) \(other)")
    }

    private static func ask(_ row: Row, _ run: ([String]) throws -> StrataProcess.Result) throws -> (Answer, String) {
        let files = try TemporaryDirectory()
        try files.write("host/file", Array("host\n".utf8))
        try files.write("variables", Array("# a comment\nB=2\nC=with blanks\n".utf8))
        let flags = row.flags.map {
            $0.replacing("HOSTDIR", with: files.path + "/host").replacing("ENVFILE", with: files.path + "/variables")
        }
        let result = try run(flags + [ContainerStage.image] + row.command)
        let left = try names(in: files.path + "/host") ?? []
        return (Answer(status: result.status, output: result.output, files: left.sorted()), result.errorOutput)
    }
}
