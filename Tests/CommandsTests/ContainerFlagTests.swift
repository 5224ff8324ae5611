import Containers
import OCI
import TestSupport
import Testing

@testable import Commands

/// What `run`'s flags turn into, and the small grammars around them.
@Suite struct ContainerFlagTests {
    private func settings(_ flags: [String: [String]], _ command: [String] = []) throws -> ContainerSettings {
        try ContainerSettings(FlagValues(flags), command: command, environment: ["OUTSIDE": "seen"])
    }

    @Test func flagsBecomeSettings() throws {
        let made = try settings(
            [
                "env": ["A=1", "OUTSIDE", "GONE"], "label": ["a=b", "c"],
                "publish": ["8080:80", "published=1,target=2"],
                "cpus": ["1.5"], "memory": ["64m"], "memory-swap": ["-1"], "interactive": ["true"], "tty": ["true"],
                "network": ["name=bridge,alias=x,ip=10.1.2.3"], "tmpfs": ["/t:size=1m"], "stop-timeout": ["3"],
                "health-cmd": ["true"], "health-interval": ["1m30s"], "ulimit": ["nofile=5:6"], "entrypoint": [""],
            ], ["sh", "-c"])
        #expect(made.config.env == ["A=1", "OUTSIDE=seen", "GONE"])
        #expect(made.config.labels == ["a": "b", "c": ""])
        #expect(made.host.portBindings.map { "\($0.hostPort):\($0.container)" } == ["8080:80/tcp", "1:2/tcp"])
        #expect(made.config.exposedPorts?.keys.sorted() == ["2/tcp", "80/tcp"])
        #expect(made.host.resources.nanoCPUs == 1_500_000_000 && made.host.resources.memory == 64 << 20)
        #expect(made.host.resources.memorySwap == -1 && made.config.stopTimeout == 3)
        #expect(
            made.host.network == "bridge" && made.host.networkAliases == ["x"] && made.host.staticAddress == "10.1.2.3")
        #expect(made.streams.attachStdin && made.streams.stdinOnce && made.config.tty == true)
        #expect(made.config.healthcheck?.test == ["CMD-SHELL", "true"])
        #expect(made.config.healthcheck?.interval == 90_000_000_000)
        #expect(made.clearsEntrypoint && made.config.entrypoint == nil && made.config.cmd == ["sh", "-c"])
        #expect(made.host.tmpfs == ["/t": "size=1m"])
        let detached = try settings(["detach": ["true"], "interactive": ["true"]])
        #expect(!detached.streams.attachStdin && !detached.streams.attachStdout && !detached.streams.stdinOnce)
    }

    @Test(arguments: [
        (["attach": ["x"]], "valid streams are STDIN, STDOUT and STDERR"),
        (["attach": ["stdin"], "detach": ["true"]], "cannot specify both --attach and --detach"),
        (["no-healthcheck": ["true"], "health-cmd": ["x"]], "--no-healthcheck conflicts with --health-* options"),
        (["cpus": ["1.0000000001"]], "value is too precise"),
        (["cpus": ["x"]], "failed to parse x as a rational number"),
        (["network": ["a", "b"]], "one network only"), (["ip": ["1.2.3"]], "invalid IPv4 address: 1.2.3"),
        (["mac-address": ["zz"]], "zz is not a valid mac address"),
        (["mac-address": ["02:42:ac:11:00:0２"]], "02:42:ac:11:00:0２ is not a valid mac address"),
        (["dns": ["x"]], "IP address is not correctly formatted"),
        (["expose": ["80:90"]], "invalid port format for --expose: 80:90"),
        (["log-driver": ["syslog"]], "no log driver named 'syslog'"),
        (["log-driver": ["none"], "log-opt": ["a=b"]], "invalid logging opts for driver none"),
        (["oom-score-adj": ["2000"]], "range for oom score adj is [-1000, 1000]"),
        (["gpus": ["all"]], "--gpus is not supported"),
        (["memory-swappiness": ["101"]], "Valid memory swappiness range is 0-100"),
        (["device-read-bps": ["sda:1"]], "bad format: sda:1"),
        (["security-opt": ["seccomp=/no/such"]], "opening seccomp profile (/no/such) failed"),
        (["env-file": ["/no/such"]], "open /no/such"), (["volume": ["a:b:c:d"]], "invalid volume specification"),
    ])
    func refusedFlags(_ flags: [String: [String]], _ words: String) throws {
        let error = #expect(throws: ContainerError.self) { try settings(flags) }
        #expect(error?.message.contains(words) == true, "\(error?.message ?? "")")
    }

    @Test func environmentFiles() throws {
        let directory = try TemporaryDirectory()
        try directory.write("good", Array("# no\n\n  A=1 2\nOUTSIDE\nABSENT\nB=\n".utf8))
        try directory.write("blank", Array("A B=1\n".utf8))
        try directory.write("nameless", Array("=1\n".utf8))
        func entries(_ name: String) throws -> [String] {
            try EnvironmentFile.entries(
                files: ["\(directory.path)/\(name)"], flags: [], environment: ["OUTSIDE": "seen"])
        }
        #expect(try entries("good") == ["A=1 2", "OUTSIDE=seen", "B="])
        #expect(throws: ContainerError.self) { try entries("blank") }
        #expect(throws: ContainerError.self) { try entries("nameless") }
    }

    @Test func portsAreJoinedWhereTheyFollow() {
        func mapping(_ host: UInt16, _ inside: UInt16, _ address: String = "") -> PortMapping {
            PortMapping(container: ContainerPort(inside), hostAddress: address, hostPort: host)
        }
        #expect(ContainerRow.text(published: [mapping(8080, 80)], exposed: []) == "0.0.0.0:8080->80/tcp")
        #expect(
            ContainerRow.text(published: [mapping(80, 80), mapping(81, 81), mapping(90, 82)], exposed: [])
                == "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:90->82/tcp")
        #expect(
            ContainerRow.text(
                published: [mapping(1, 2, "::1")],
                exposed: [ContainerPort(5), ContainerPort(6), ContainerPort(9, .udp)])
                == "[::1]:1->2/tcp, 5-6/tcp, 9/udp")
    }

    @Test func timesAndDurations() throws {
        let now: Int64 = 1_700_000_000_000_000_000
        #expect(try Moment.parse("90s", now: now) == now - 90_000_000_000)
        #expect(try Moment.parse("1h1m", now: now) == now - 3_660_000_000_000)
        #expect(try Moment.parse("1136073600.25") == 1_136_073_600_250_000_000)
        #expect(try Moment.parse("2026-01-31T12:00:00.5Z") == 1_769_860_800_500_000_000)
        #expect(try Moment.parse("2026-01-31T12:00:00+02:00") == 1_769_853_600_000_000_000)
        for text in ["", "x", "2026-13-01", "2026-01-31T25:00", "1.x"] {
            #expect(throws: ContainerError.self) { try Moment.parse(text) }
        }
        #expect(GoDuration.parse("-1.5s") == -1_500_000_000 && GoDuration.parse("1ms2us3ns") == 1_002_003)
        for text in ["", "1", "s", "1x", "1h1"] { #expect(GoDuration.parse(text) == nil) }
    }

    @Test func endsOfACopy() {
        #expect(CopyPath("c:/x").container == "c" && CopyPath("c:/x").path == "/x")
        #expect(
            CopyPath("/a:b").container == nil && CopyPath("./a:b").container == nil && CopyPath("a").container == nil)
        #expect(CopyPath("/x/.").absolute == "/x/." && CopyPath("-").path == "-")
    }
}
