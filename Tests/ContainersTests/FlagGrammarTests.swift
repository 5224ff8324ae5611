import Containers
import Testing

@Suite struct FlagGrammarTests {
    // MARK: Mounts

    @Test func volumesAsDockerReadsThem() throws {
        let bind = try MountPoint(volume: "/host//dir/:/in/../data:ro,rshared,Z")
        #expect(bind.kind == .bind && bind.source == "/host/dir" && bind.destination == "/data")
        #expect(!bind.isWritable && bind.propagation == "rshared" && bind.createsSource)
        let named = try MountPoint(volume: "cache:/var/cache:nocopy")
        #expect(named.kind == .volume && named.name == "cache" && !named.copiesUp && named.isWritable)
        let anonymous = try MountPoint(volume: "/data")
        #expect(anonymous.kind == .volume && anonymous.isAnonymous && anonymous.name == nil)
    }

    @Test(arguments: [
        "", ":/x", "/x:", "/x:/y:ro:rw", "/x:/y:ro,rw", "/x:/y:bogus", "/x:relative", "name:/", "/foo:rw", "/x:/y:z,Z",
        "bad/name:/x", "name:/x:rshared", "n:/x",
    ])
    func badVolumesAreRefused(_ text: String) {
        #expect(throws: ContainerError.self) { try MountPoint(volume: text) }
    }

    @Test func mountsAsDockerReadsThem() throws {
        let bind = try MountPoint(mount: "type=bind,src=/a,dst=/b,readonly,bind-propagation=rslave")
        #expect(bind.kind == .bind && bind.source == "/a" && bind.destination == "/b" && !bind.isWritable)
        #expect(bind.propagation == "rslave" && !bind.createsSource)
        let volume = try MountPoint(mount: "source=data,target=/d,volume-nocopy=true,volume-subpath=a/b")
        #expect(volume.kind == .volume && volume.name == "data" && !volume.copiesUp && volume.subpath == "a/b")
        let tmpfs = try MountPoint(mount: "type=tmpfs,destination=/t,tmpfs-size=64m,tmpfs-mode=1770")
        #expect(tmpfs.tmpfsOptions == ["size=67108864", "mode=1770"])
        let quoted = try MountPoint(mount: "type=bind,\"source=/with,comma\",target=/x,ro=false")
        #expect(quoted.source == "/with,comma" && quoted.isWritable)
    }

    @Test(arguments: [
        ("type=bind,target=/x", "source is required"), ("type=bind,source=/a", "target is required"),
        ("type=bind,source=rel,target=/x", "must be absolute"), ("type=bogus,target=/x", "not supported"),
        ("type=tmpfs,source=/a,target=/x", "cannot specify 'source'"),
        ("type=bind,source=/a,target=/x,wat=1", "unknown option"),
        ("type=bind,source=/a,target=/x,tmpfs-size=1m", "cannot mix"), ("source=v,target", "must be a key=value pair"),
        ("type=volume,target=/x,readonly", "anonymous"), ("source=vol,target=/x,volume-subpath=../up", "subpath"),
        ("type=bind,source=/a,target=/", "can't be '/'"),
        ("type=bind,source=/a,target=/x,readonly=maybe", "invalid value"),
    ])
    func badMountsSayWhatIsWrong(_ text: String, _ part: String) {
        let error = #expect(throws: ContainerError.self) { try MountPoint(mount: text) }
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
    }

    // MARK: Ports

    @Test(arguments: [
        ("80", [PortMapping(container: .init(80), hostAddress: "", hostPort: 0)]),
        ("8080:80", [PortMapping(container: .init(80), hostAddress: "", hostPort: 8080)]),
        ("127.0.0.1:53:53/udp", [PortMapping(container: .init(53, .udp), hostAddress: "127.0.0.1", hostPort: 53)]),
        ("127.0.0.1::80", [PortMapping(container: .init(80), hostAddress: "127.0.0.1", hostPort: 0)]),
        ("[::1]:81:80", [PortMapping(container: .init(80), hostAddress: "::1", hostPort: 81)]),
        (
            "8000-8001:90-91",
            [
                PortMapping(container: .init(90), hostAddress: "", hostPort: 8000),
                PortMapping(container: .init(91), hostAddress: "", hostPort: 8001),
            ]
        ),
        ("9000-9010:80", [PortMapping(container: .init(80), hostAddress: "", hostPort: 9000, lastHostPort: 9010)]),
    ])
    func portsAsDockerReadsThem(_ text: String, _ expected: [PortMapping]) throws {
        #expect(try PortMapping.parse(text) == expected)
    }

    @Test(arguments: ["", ":", "0", "65536", "80/xyz", "1-2:3-5", "300.1.1.1:1:1", "a:80", "80:", "[::1]80", "2-1"])
    func badPortsAreRefused(_ text: String) {
        #expect(throws: ContainerError.self) { try PortMapping.parse(text) }
    }

    // MARK: Others

    @Test(arguments: [
        ("9", 9), ("KILL", 9), ("sigterm", 15), ("SIGRTMIN", 34), ("RTMIN+3", 37), ("SIGRTMAX-1", 63), ("64", 64),
    ])
    func signals(_ text: String, _ number: Int32) throws {
        #expect(try Signal.parse(text) == number)
    }

    @Test(arguments: ["", "0", "65", "-9", "SIGNOPE", "RTMIN-1", "RTMIN+99"])
    func badSignals(_ text: String) {
        #expect(throws: ContainerError.self) { try Signal.parse(text) }
    }

    @Test(arguments: [("512m", Int64(536_870_912)), ("1.5k", 1536), ("7", 7), ("2GiB", 2_147_483_648), ("1 kb", 1024)])
    func sizes(_ text: String, _ bytes: Int64) {
        #expect(ByteSize.parse(text) == bytes)
    }

    @Test(arguments: ["", "m", "-1", "1x", "1e3", "99999999999p"])
    func badSizes(_ text: String) {
        #expect(ByteSize.parse(text) == nil)
    }

    @Test func ulimits() throws {
        let limit = try HostConfig.Ulimit(parsing: "nofile=1024:2048")
        #expect(limit.soft == 1024 && limit.hard == 2048)
        #expect(try HostConfig.Ulimit(parsing: "core=-1").hard == -1)
        for bad in ["nofile", "nofile=", "nope=1", "nofile=2:1", "nofile=-1:5", "nofile=a:b", "nofile=1:2:3"] {
            #expect(throws: ContainerError.self, "\(bad)") { try HostConfig.Ulimit(parsing: bad) }
        }
    }

    @Test func devices() throws {
        let device = try HostConfig.Device(parsing: "/dev/zero:/dev/nix:r")
        #expect(device.pathInContainer == "/dev/nix" && device.permissions == "r")
        #expect(try HostConfig.Device(parsing: "/dev/zero:rw").pathInContainer == "/dev/zero")
        for bad in ["zero", "/dev/zero:rel:rwm", "/dev/zero:/x:rwx", "/a:/b:rr"] {
            #expect(throws: ContainerError.self, "\(bad)") { try HostConfig.Device(parsing: bad) }
        }
    }

    @Test func restartPolicies() throws {
        #expect(try HostConfig.RestartPolicy(parsing: "on-failure:3").maximumRetryCount == 3)
        for bad in ["sometimes", "always:3", "on-failure:x", "on-failure:-1"] {
            #expect(throws: ContainerError.self, "\(bad)") { try HostConfig.RestartPolicy(parsing: bad) }
        }
    }

    @Test func detachKeys() throws {
        #expect(try DetachKeySequence.parse("ctrl-p,ctrl-q") == DetachKeySequence.standard)
        #expect(try DetachKeySequence.parse("a,ctrl-@,ctrl-[") == [97, 0, 27])
        for bad in ["", "ctrl-", "ctrl-1", "ab"] {
            #expect(throws: ContainerError.self, "\(bad)") { try DetachKeySequence.parse(bad) }
        }
    }

    @Test(arguments: [
        ("web", true), ("a", false), ("-a", false), ("a b", false), ("A1_.-", true), ("/ok", true), ("ü1", false),
    ])
    func names(_ text: String, _ isGood: Bool) {
        #expect(((try? ContainerName.parse(text)) != nil) == isGood)
    }
}
