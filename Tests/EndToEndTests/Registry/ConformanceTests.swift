import OCI
import TestSupport
import Testing

/// One thing that distribution-spec demands of a registry, and how to see that it holds.
struct Requirement: Sendable, CustomTestStringConvertible {
    /// The words of RFC 2119; `ours` is what the specification leaves open and we promise.
    enum Level: String, Sendable { case must = "MUST", should = "SHOULD", may = "MAY", ours = "ours" }

    /// Its place in `all`.
    private(set) var number = 0
    var section: String
    var level: Level
    var text: String
    var check: @Sendable (ConformanceClient) async throws -> Void

    init(
        _ section: String, _ level: Level, _ text: String,
        _ check: @escaping @Sendable (ConformanceClient) async throws -> Void
    ) {
        self.section = section
        self.level = level
        self.text = text
        self.check = check
    }

    var testDescription: String { "§\(section), \(level.rawValue): \(text)" }

    /// Every demand of version 1.1 on a registry, in the order of its text, and what the next version adds.
    static let all: [Requirement] = {
        var all = [pull, blobPush, chunks, manifestPush, discovery, management, api, next].flatMap { $0 }
        for number in all.indices { all[number].number = number }
        return all
    }()
}

/// How the registry is used: whether it asks who one is, and what content is named by.
struct Setting: Sendable, Hashable, CustomTestStringConvertible {
    enum Access: String, Sendable, CaseIterable {
        /// Nobody is asked who he is.
        case open
        /// Bearer tokens.
        case token
        /// Basic only.
        case basic

        var flags: [String] { ["--auth", self == .open ? "none" : rawValue] }
    }

    var access: Access
    var algorithm: Digest.Algorithm

    var testDescription: String { "\(access.rawValue), \(algorithm.rawValue)" }

    static let all = Access.allCases.flatMap { access in
        Digest.Algorithm.allCases.map { Setting(access: access, algorithm: $0) }
    }
}

/// Starts one registry for each way to ask who one is, for all the checks together, and ends them.
struct ServedForAll: SuiteTrait, TestScoping {
    @TaskLocal static var registries: [Setting.Access: ServedRegistry] = [:]

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
    ) async throws {
        var registries: [Setting.Access: ServedRegistry] = [:]
        for access in Setting.Access.allCases {
            let strata = try StrataProcess()
            try strata.succeed(
                "registry", "user", "add", "ann", "--admin", "--password-stdin", input: Array("ann's secret".utf8))
            registries[access] = try await ServedRegistry.start(strata, access.flags)
        }
        try await Self.$registries.withValue(registries) { try await function() }
        for served in registries.values {
            try served.stop()
            let check = try served.strata.run("registry", "check")
            #expect(check.status == 0, "\(check)")
        }
    }
}

/// The conformance client: every demand of the distribution-spec, over HTTP, on the registry that people start.
@Suite(ServedForAll())
struct ConformanceTests {
    @Test(arguments: Requirement.all, Setting.all)
    func requirement(_ requirement: Requirement, _ setting: Setting) async throws {
        let served = try #require(ServedForAll.registries[setting.access])
        let login: ConformanceClient.Login =
            switch setting.access {
            case .open: .none
            case .token: .bearer(name: "ann", password: "ann's secret")
            case .basic: .basic(name: "ann", password: "ann's secret")
            }
        let client = ConformanceClient(
            served.client, login, setting.algorithm, "\(setting.algorithm)/check-\(requirement.number)")
        try await requirement.check(client)
    }

    /// "Content Management": a registry that does not delete says so with 400 or 405.
    @Test(arguments: Digest.Algorithm.allCases) func deletionDisabled(_ algorithm: Digest.Algorithm) async throws {
        try await serve(["--deletes=false"], algorithm) { client in
            let bytes = try await client.pushImage("kept", tags: ["v1"])
            let blob = try await client.push(client.content("blob"))
            for path in ["/manifests/v1", "/manifests/\(client.digest(bytes))", "/blobs/\(blob)"] {
                client.expect(try await client.send("DELETE", path), 405, code: "UNSUPPORTED")
                #expect(try await client.send("HEAD", path).status == 200)
            }
            // A push that is given up is no deletion.
            #expect(try await client.send("DELETE", try await client.upload()).status == 204)
        }
    }

    /// "Push": a registry MAY reject references to what is not here. By policy it takes indexes, or images too.
    @Test(arguments: ["indexes", "images"]) func sparseByPolicy(_ policy: String) async throws {
        try await serve(["--sparse", policy], .sha256) { client in
            let here = try await client.pushImage("here")
            let missing = client.content("missing", 500)
            let index = client.index([
                client.descriptor(ConformanceClient.image, here), client.descriptor(ConformanceClient.image, missing),
            ])
            let put = try await client.put(index, as: "sparse", type: ConformanceClient.index)
            #expect(put.status == 201, "\(put)")
            #expect(try await client.send("GET", "/manifests/sparse").body == index)
            client.expect(
                try await client.send("GET", "/manifests/\(client.digest(missing))"), 404, code: "MANIFEST_UNKNOWN")
            // What an index lists may be taken away from it: then it is sparse.
            #expect(try await client.send("DELETE", "/manifests/\(client.digest(here))").status == 202)

            let config = client.content("config")
            try await client.push(config)
            let image = Array(
                """
                {"schemaVersion":2,"mediaType":"\(ConformanceClient.image)",\
                "config":\(client.descriptor(ConformanceClient.config, config)),\
                "layers":[\(client.descriptor(ConformanceClient.layer, missing))]}
                """.utf8)
            let answer = try await client.put(image, as: "hollow")
            if policy == "images" {
                #expect(answer.status == 201, "\(answer)")
            } else {
                client.expect(answer, 404, code: "MANIFEST_BLOB_UNKNOWN")
            }
        }
    }

    /// One registry for one test; what is left of it must hold together.
    private func serve(
        _ flags: [String], _ algorithm: Digest.Algorithm, _ body: (ConformanceClient) async throws -> Void
    ) async throws {
        let served = try await ServedRegistry.start(StrataProcess(), flags)
        try await body(ConformanceClient(served.client, .none, algorithm, "one/check"))
        try served.stop()
        let check = try served.strata.run("registry", "check")
        #expect(check.status == 0, "\(check)")
    }
}
