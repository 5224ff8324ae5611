import OCI
import TestSupport
import Testing

@testable import RegistryClient

/// What this machine's files say about registries.
@Suite struct RulesTests {
    struct Written: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var value: [String: TOMLSubset.Value]?
        init(_ text: String, _ value: [String: TOMLSubset.Value]?) { (testDescription, self.value) = (text, value) }
    }

    @Test(arguments: [
        Written("", [:]), Written("# only\n\n", [:]), Written("a = 1", ["a": .integer(1)]),
        Written("a = -1_000 # x", ["a": .integer(-1000)]),
        Written("a = true\r\nb = false", ["a": .bool(true), "b": .bool(false)]),
        Written(#"a = "x\t\"""#, ["a": .string("x\t\"")]), Written(#"a = "\u00e9""#, nil),
        Written(#"a = 'x\t'"#, ["a": .string(#"x\t"#)]),
        Written("a = [1,\n 2, # x\n]", ["a": .array([.integer(1), .integer(2)])]),
        Written("a.b = 1\na.c = 2", ["a": .table(["b": .integer(1), "c": .integer(2)])]),
        Written("[a.'b.c']\nd = 1", ["a": .table(["b.c": .table(["d": .integer(1)])])]),
        Written(
            "[[a]]\nb = 1\n[[a]]\n[[a.c]]\nd = 2",
            [
                "a": .array([.table(["b": .integer(1)]), .table(["c": .array([.table(["d": .integer(2)])])])])
            ]),
        Written("a", nil), Written("a =", nil), Written("= 1", nil), Written("a = 1 b = 2", nil),
        Written("a = 1\na = 2", nil),
        Written("[a]\n[a]", nil), Written("a = 1\n[a]", nil), Written("[[a]]\n[a]", nil), Written("a = \"x\n\"", nil),
        Written(#"a = "\q""#, nil), Written(#"a = "\ud800""#, nil), Written("a = [1", nil), Written("a = [1 2]", nil),
        Written("[a", nil), Written("[[a]", nil), Written("a = 99999999999999999999", nil), Written("a = yes", nil),
        Written("a = " + String(repeating: "[", count: 10_000), nil),
        Written(String(repeating: "a.", count: 100_000) + "a = 1", nil),
        Written("[" + String(repeating: "a.", count: 100_000) + "a]", nil),
        Written((0...10_000).map { "k\($0) = 1\n" }.joined(), nil),
    ])
    func toml(_ row: Written) { #expect((try? TOMLSubset.parse(row.testDescription)) == row.value) }

    @Test(arguments: [
        ("a.test/b", "a.test", "m.test/x", "m.test/x/b"), ("a.test/b/c", "a.test/b", "m.test", "m.test/c"),
        ("x.a.test/b", "*.a.test", "m.test", "m.test/b"), ("a.test/b", "a.test", "", "a.test/b"),
    ])
    func rewrites(_ name: String, _ prefix: String, _ location: String, _ rewritten: String) {
        #expect(RegistriesConf.rewrite(name, prefix: prefix, location: location) == rewritten)
    }

    @Test(arguments: [
        ("a.test/b", "a.test"), ("a.test/team/b", "a.test/team"), ("a.test/teams", "a.test"), ("a.testing/b", nil),
        ("sub.w.test/b", "*.w.test"), ("w.test/b", nil), ("sub.w.test:5000/b", "*.w.test"), ("xw.test/b", nil),
    ])
    func theLongestPrefixCounts(_ name: String, _ prefix: String?) throws {
        let rules = try RegistriesConf.parse(
            ["a.test", "a.test/team", "*.w.test"].map { "[[registry]]\nprefix = \"\($0)\"\n" }.joined(), file: "f")
        #expect(RegistriesConf.match(name, in: rules)?.prefix == prefix)
    }

    @Test(arguments: [
        ("10.1.2.3", true), ("10.1.2.3:5000", true), ("11.1.2.3", false), ("a.test", true), ("A.test:443", true),
        ("b.test", false), ("b.test:5000", true), ("10.1", false), ("10.1.2.3.4", false), ("[::1]:5000", false),
    ])
    func insecureOnesAreHostsAndRanges(_ authority: String, _ isInsecure: Bool) {
        let registries = InsecureRegistries(["10.0.0.0/8", "a.test", "b.test:5000", "300.0.0.0/8", "1.2.3.4/33"])
        #expect(registries.contains(authority) == isInsecure)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.255.0.1:80", true), ("localhost:5000", true), ("LOCALHOST", true), ("[::1]", true),
        ("128.0.0.1", false), ("127.0.0.1.evil.test", false), ("localhost.evil.test", false), ("127.0.0", false),
    ])
    func loopback(_ authority: String, _ isLoopback: Bool) { #expect(Endpoint.isLoopback(authority) == isLoopback) }

    @Test func dockersMirrorsServeTheHub() throws {
        let directory = try TemporaryDirectory()
        defer { directory.remove() }
        try directory.write(
            "daemon.json",
            Array(
                #"{"registry-mirrors":["http://m.test:5000/hub/"],"insecure-registries":["i.test"],"other":{}}"#.utf8))
        var configuration = RegistryConfiguration()
        configuration.dockerDaemonConfigPath = "\(directory.path)/daemon.json"
        let rules = RegistryRules(configuration: configuration)
        let hub = try rules.endpoints(for: Reference(parsing: "alpine"))
        #expect(hub.map(\.authority) == ["m.test:5000", "registry-1.docker.io"])
        #expect(hub.map(\.repository) == ["hub/library/alpine", "library/alpine"])
        #expect(hub.map(\.isInsecure) == [true, false] && hub.map(\.registry) == ["m.test:5000", "docker.io"])
        #expect(try rules.pushEndpoint(for: Reference(parsing: "alpine")).authority == "registry-1.docker.io")
        #expect(try rules.endpoints(for: Reference(parsing: "i.test/a")).map(\.isInsecure) == [true])
        for broken in ["[", #"{"registry-mirrors":["m.test"]}"#, #"{"insecure-registries":"a"}"#] {
            try directory.write("daemon.json", Array(broken.utf8))
            #expect(throws: RegistryError.self) {
                try RegistryRules(configuration: configuration).endpoints(for: Reference(parsing: "alpine"))
            }
        }
    }
}
