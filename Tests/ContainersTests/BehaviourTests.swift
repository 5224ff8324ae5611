import Containers
import Linux
import OCI
import TestSupport
import Testing

/// What a container's program sees, each row run with the real runtime in one image.
@Suite struct BehaviourTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var command: [String]
        var change: @Sendable (inout CreateRequest) throws -> Void = { _ in }
        var input: String?
        var code: Int32 = 0
        var output: String
        var testDescription: String { name }

        static func shell(
            _ name: String, _ script: String, _ output: String, code: Int32 = 0, input: String? = nil,
            _ change: @escaping @Sendable (inout CreateRequest) throws -> Void = { _ in }
        ) -> Row {
            Row(name: name, command: ["sh", "-c", script], change: change, input: input, code: code, output: output)
        }
    }

    static let rows: [Row] = [
        .shell("exit code", "exit 42", "", code: 42),
        .shell("killed by a signal", "sleep 60 & kill -9 $!; wait $!", "", code: 137),
        .shell("standard input", "cat; echo end", "a\nb\nend\n", input: "a\nb\n"),
        .shell("no input is the end of input", "cat; echo end", "end\n"),
        .shell("environment", "echo $HOME $PATH $A", "/root /bin 1\n") { $0.overrides.env = ["A=1"] },
        .shell("hostname", "hostname; cat /etc/hostname", "web\nweb\n") { $0.overrides.hostname = "web" },
        .shell("working directory is made", "pwd; stat -c %a:%u .", "/made/here\n755:0\n") {
            $0.overrides.workingDir = "/made/here"
        },
        .shell("user by name", "id -u; id -g; id -G; echo $HOME", "1000\n1000\n1000 12 2000\n/home/app\n") {
            $0.overrides.user = "app"
        },
        .shell("user by number, unknown", "id -u; id -g; echo $HOME", "4242\n0\n/\n") { $0.overrides.user = "4242" },
        .shell("user and group", "id -u; id -G", "1000\n12\n") { $0.overrides.user = "app:mail" },
        .shell("added group", "id -G", "0 777\n") { $0.hostConfig.groupAdd = ["777"] },
        .shell(
            "capabilities", "grep -E 'Cap(Eff|Bnd|Inh|Amb)' /proc/self/status | cut -f2",
            "0000000000000000\n00000000a80425fb\n00000000a80425fb\n0000000000000000\n"),
        .shell("dropped capabilities", "grep CapEff /proc/self/status | cut -f2", "0000000000000000\n") {
            $0.hostConfig.capDrop = ["ALL"]
        },
        .shell("capabilities of a plain user", "grep CapEff /proc/self/status | cut -f2", "0000000000000000\n") {
            $0.overrides.user = "app"
        },
        .shell("no new privileges", "grep NoNewPrivs /proc/self/status | cut -f2", "1\n") {
            $0.hostConfig.securityOpt = ["no-new-privileges"]
        },
        .shell("seccomp is on", "grep Seccomp: /proc/self/status | cut -f2", "2\n"),
        .shell(
            "seccomp refuses", "unshare -m true 2>&1; echo $?",
            "unshare: unshare(0x20000): Operation not permitted\n1\n"),
        .shell("seccomp can be off", "grep Seccomp: /proc/self/status | cut -f2", "0\n") {
            $0.hostConfig.securityOpt = ["seccomp=unconfined"]
        },
        .shell("masked paths", "cat /proc/kcore | wc -c; ls -A /sys/firmware | wc -l", "0\n0\n"),
        .shell("read-only paths", "echo 1 > /proc/sys/kernel/panic || echo refused", "refused\n"),
        .shell("own process IDs", "echo $$", "1\n"),
        .shell("read-only root", "touch /x 2>/dev/null || echo refused; touch /dev/shm/x && echo shm", "refused\nshm\n")
        {
            $0.hostConfig.readonlyRootfs = true
        },
        .shell(
            "tmpfs", "grep ' /t ' /proc/mounts | cut -d' ' -f1-4",
            "tmpfs /t tmpfs rw,nosuid,nodev,noexec,relatime,size=1024k\n"
        ) {
            $0.hostConfig.tmpfs = ["/t": "size=1m"]
        },
        .shell("size of /dev/shm", "df -k /dev/shm | tail -1 | awk '{print $2}'", "8192\n") {
            $0.hostConfig.shmSize = 8 << 20
        },
        .shell("loopback is up", "ping -c1 -W1 127.0.0.1 >/dev/null && echo up", "up\n"),
        .shell("no other interface", "ls /sys/class/net", "lo\n"),
        .shell(
            "DNS file", "cat /etc/resolv.conf", "nameserver 9.9.9.9\nsearch example.test\noptions ndots:2\n"
        ) {
            $0.hostConfig.dns = ["9.9.9.9"]
            $0.hostConfig.dnsSearch = ["example.test"]
            $0.hostConfig.dnsOptions = ["ndots:2"]
        },
        .shell("hosts file", "tail -1 /etc/hosts", "10.1.2.3\tother\n") {
            $0.hostConfig.extraHosts = ["other:10.1.2.3"]
        },
        .shell("pids limit", "echo a; for i in 1 2 3 4 5 6 7 8 9; do sleep 60 & done; echo b", "a\n", code: 2) {
            $0.hostConfig.resources.pidsLimit = 5
        },
        .shell("ulimit", "ulimit -n", "512\n") {
            $0.hostConfig.resources.ulimits = [try .init(parsing: "nofile=512:512")]
        },
        .shell("init is the first process", "cat /proc/1/comm; echo $$ | grep -cv '^1$'", "docker-init\n1\n") {
            $0.hostConfig.usesInit = true
        },
        .shell("device", "stat -c %t:%T /dev/mine; head -c1 /dev/mine | wc -c", "1:5\n1\n") {
            $0.hostConfig.resources.devices = [try .init(parsing: "/dev/zero:/dev/mine")]
        },
        .shell(
            "foreign device is refused", "mknod /tmp/d b 8 0 && cat /tmp/d 2>&1 | grep -o 'not permitted'",
            "not permitted\n"),
        .shell("sysctl", "cat /proc/sys/net/ipv4/ip_unprivileged_port_start", "0\n"),
        .shell("chosen sysctl", "cat /proc/sys/net/ipv4/ip_forward", "1\n") {
            $0.hostConfig.sysctls = ["net.ipv4.ip_forward": "1"]
        },
        .shell("container marks", "test -f /.dockerenv && readlink /etc/mtab", "/proc/mounts\n"),
        .shell(
            "privileged",
            "grep CapEff /proc/self/status | cut -f2 | grep -c '^000001f'; test -c /dev/kmsg && echo kmsg", "1\nkmsg\n"
        ) {
            $0.hostConfig.privileged = true
        },
        .shell("entrypoint and command", "", "entry a b\n") {
            $0.overrides.entrypoint = ["echo", "entry"]
            $0.overrides.cmd = ["a", "b"]
        },
        .shell("umask and owner of new files", "umask; touch /tmp/f; stat -c %u:%g /tmp/f", "0022\n0:0\n"),
        .shell("root directory is the image's", "stat -c '%a %u' /", "755 0\n"),
    ]

    @Test(arguments: rows) func programSeesWhatDockersWould(_ row: Row) throws {
        let bench = try ContainerBench()
        let outcome = try bench.run(row.command, input: row.input, row.change)
        #expect(outcome.output == row.output, "\(outcome.errorOutput)")
        #expect(outcome.code == row.code, "\(outcome.errorOutput)")
        let left = try bench.leftovers()
        #expect(left == [])
    }

    struct Failure: Sendable, CustomTestStringConvertible {
        var command: [String]
        var code: Int32
        var part: String
        var change: @Sendable (inout CreateRequest) throws -> Void = { _ in }
        var testDescription: String { command.joined(separator: " ") }
    }

    @Test(arguments: [
        Failure(command: ["nosuch"], code: 127, part: "executable file"),
        Failure(command: ["/no/such"], code: 127, part: "no such file or directory"),
        Failure(command: ["/etc/passwd"], code: 126, part: "permission denied"),
        Failure(command: ["/etc"], code: 126, part: "permission denied"),
        Failure(command: ["true"], code: 125, part: "unable to find user nosuch") { $0.overrides.user = "nosuch" },
        Failure(command: ["true"], code: 125, part: "bind source path does not exist") {
            $0.hostConfig.mounts = ["type=bind,source=/no/such/thing,target=/x"]
        },
        Failure(command: ["true"], code: 125, part: "not a directory") { $0.overrides.workingDir = "/etc/passwd" },
    ])
    func failuresHaveDockersCodes(_ test: Failure) throws {
        let bench = try ContainerBench()
        let error = #expect(throws: ContainerError.self) { try bench.run(test.command, keep: true, test.change) }
        #expect(error?.exitCode == test.code, "\(error?.message ?? "")")
        #expect(error?.message.lowercased().contains(test.part) == true, "\(error?.message ?? "")")
        // What never ran is `created`, its error is told, and nothing of it is mounted.
        for info in try bench.service.list() {
            #expect(info.status == .created && info.state.exitCode == (test.code == 125 ? 128 : test.code))
            #expect(info.state.error == error?.message)
        }
        let left = try bench.leftovers()
        #expect(left == [])
    }

    @Test func memoryLimitKillsAndIsTold() throws {
        let bench = try ContainerBench()
        let outcome = try bench.run(["sh", "-c", "tail /dev/zero"], keep: true) {
            $0.hostConfig.resources.memory = 16 << 20
        }
        #expect(outcome.code == 137)
        let info = try #require(try bench.service.list().first)
        #expect(info.state.oomKilled && info.state.exitCode == 137)
    }
}
