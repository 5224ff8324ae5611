import OCI
import RegistryServer
import TestSupport
import Testing

/// The pages as a browser gets them: without JavaScript, with cookies and forms.
struct PageWireTests {
    private let root = AccessControl.Manager(name: "root")

    /// A browser as far as the pages need one: keeps cookies, sends forms with their token, follows redirects.
    private final class Browser {
        let client: WireClient
        let origin: String
        var cookies: [String: String] = [:]
        var language = "en"
        private(set) var page = ""

        init(_ registry: TestRegistry) {
            client = registry.client
            origin = "http://\(registry.authority)"
        }

        @discardableResult
        func get(_ path: String) async throws -> WireClient.Answer { try await send("GET", path) }

        /// Sends the form of the last page that posts to a path.
        @discardableResult
        func submit(_ action: String, _ fields: [String: String], origin: String? = nil) async throws
            -> WireClient.Answer
        {
            var all = fields
            if all["csrf"] == nil, let start = page.firstRange(of: #"name="csrf" value=""#)?.upperBound {
                all["csrf"] = String(page[start...].prefix { $0 != "\"" })
            }
            let body = all.map { "\(encoded($0.key))=\(encoded($0.value))" }.joined(separator: "&")
            return try await send(
                "POST", action,
                [
                    "Content-Type": "application/x-www-form-urlencoded", "Origin": origin ?? self.origin,
                ], Array(body.utf8))
        }

        private func encoded(_ text: String) -> String {
            text.utf8.map { byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }.joined()
        }

        private func send(_ method: String, _ path: String, _ extra: [String: String] = [:], _ body: [UInt8]? = nil)
            async throws -> WireClient.Answer
        {
            var headers = extra
            headers["Accept-Language"] = language
            if !cookies.isEmpty { headers["Cookie"] = cookies.map { "\($0.key)=\($0.value)" }.joined(separator: "; ") }
            let answer = try await client.send(method, path, headers: headers, body: body)
            for cookie in answer.all("Set-Cookie") {
                #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"))
                let pair = cookie.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1).map(String.init)
                cookies[pair[0]] = cookie.contains("Max-Age=0") ? nil : pair[1]
            }
            if answer.status == 303, let location = answer["Location"] { return try await send("GET", location) }
            page = answer.text
            return answer
        }
    }

    private func run(_ body: (TestRegistry, Browser) async throws -> Void) async throws {
        try await TestRegistry.run { registry in
            try await registry.access.addUser("ann", password: "ann's secret", isAdministrator: true, by: root)
            try await registry.access.addUser("bob", password: "bob's secret", isAdministrator: false, by: root)
            try await registry.access.grant(
                AccessRule(subject: .user("bob"), pattern: RepositoryPattern("team/*"), actions: [.pull]), by: root)
            for name in ["team/app", "secret/app"] { try await push(name, registry) }
            try await body(registry, Browser(registry))
        }
    }

    private func push(_ name: String, _ registry: TestRegistry) async throws {
        let client = registry.client("ann", "ann's secret")
        let layer = [UInt8](repeating: 7, count: 5000)
        let config = Array(
            """
            {"architecture":"arm64","os":"linux","history":[{"created_by":"COPY <files> / # \(name)"},
            {"created_by":"CMD [\\"sh\\"]","empty_layer":true}],"rootfs":{"type":"layers","diff_ids":[]}}
            """.utf8)
        for bytes in [layer, config] {
            let digest = Digest.sha256(of: bytes)
            let answer = try await client.send("POST", "/v2/\(name)/blobs/uploads/?digest=\(digest)", body: bytes)
            #expect(answer.status == 201)
        }
        let manifest = Array(
            """
            {"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":\
            "application/vnd.oci.image.config.v1+json","digest":"\(Digest.sha256(of: config))","size":\(config.count)},\
            "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"\(Digest.sha256(of: layer))",\
            "size":\(layer.count)}]}
            """.utf8)
        let put = try await client.send(
            "PUT", "/v2/\(name)/manifests/v1",
            headers: ["Content-Type": "application/vnd.oci.image.manifest.v1+json"], body: manifest)
        #expect(put.status == 201)
    }

    @Test func aVisitorLogsInAndReadsALayer() async throws {
        try await run { registry, browser in
            try await browser.get("/")
            #expect(browser.page.contains("Log in to see the repositories") && browser.page.contains("/-/login"))
            #expect(try await browser.get("/-/repository?name=team%2Fapp").status == 404)
            try await browser.get("/-/login?return=/-/repository%3Fname=team/app")
            let wrong = try await browser.submit(
                "/-/login", ["user": "bob", "password": "guess", "return": "/"])
            #expect(wrong.status == 403 && browser.page.contains("Wrong user name or password"))
            let back = try await browser.submit(
                "/-/login", ["user": "bob", "password": "bob's secret", "return": "/-/repository?name=team/app"])
            #expect(
                back.status == 200 && browser.page.contains("docker pull \(registry.authority)/team/app:v1"), "\(back)")
            #expect(browser.page.contains("The chain of entries is unbroken") && browser.page.contains(" kB"))
            try await browser.get("/-/tag?name=team/app&tag=v1")
            #expect(browser.page.contains("linux/arm64") && browser.page.contains("COPY &lt;files&gt; / # team/app"))
            #expect(browser.page.contains("5.0 kB") && !browser.page.contains("/-/tag/delete"))
            try await browser.get("/-/search?q=app")
            #expect(browser.page.contains("team/app") && !browser.page.contains("secret/app"))
            // What he may not see is told like what is not there.
            let hidden = try await browser.get("/-/repository?name=secret/app")
            let missing = try await browser.get("/-/repository?name=nothing/here")
            func main(_ answer: WireClient.Answer) -> Substring? {
                guard let start = answer.text.firstRange(of: "<main"), let end = answer.text.firstRange(of: "</main>")
                else { return nil }
                return answer.text[start.lowerBound..<end.upperBound]
            }
            #expect(hidden.status == 404 && main(hidden) != nil && main(hidden) == main(missing))
            #expect(try await browser.get("/-/admin").status == 403)
            try await browser.submit("/-/logout", [:])
            #expect(browser.cookies["strata_session"] == nil && browser.page.contains("/-/login"))
        }
    }

    @Test func anAdministratorManages() async throws {
        try await run { registry, browser in
            try await browser.get("/-/admin")
            try await browser.submit("/-/login", ["user": "ann", "password": "ann's secret", "return": "/-/admin"])
            #expect(browser.page.contains("Administration") && browser.page.contains("bob"))
            try await browser.submit(
                "/-/admin/access/add", ["subject": "user:bob", "pattern": "team/*", "actions": "pull, push"])
            #expect(browser.page.contains(#"value="push" checked"#) && browser.page.contains("user:bob"))
            let wrong = try await browser.submit(
                "/-/admin/access/add", ["subject": "nobody", "pattern": "team/*", "actions": "pull"])
            #expect(wrong.status == 400 && browser.page.contains("names nobody"))
            let nothing = try await browser.submit(
                "/-/admin/access/add", ["subject": "user:bob", "pattern": "team/*"])
            #expect(nothing.status == 400 && browser.page.contains("choose what may be done"))
            let robot = try await browser.submit("/-/admin/robots/add", ["name": "ci"])
            #expect(robot.status == 200 && browser.page.contains("strata_robot_"))
            try await browser.get("/-/admin/robots")
            #expect(browser.page.contains("ci") && !browser.page.contains("strata_robot_"))
            try await browser.submit("/-/admin/retention/add", ["pattern": "**", "rules": "v*: moved 1h; x*: always"])
            #expect(browser.page.contains("team/app") && browser.page.contains("moved 0 days ago"))
            for section in ["groups", "webhooks", "immutable", "quotas", "garbage", "audit"] {
                #expect(try await browser.get("/-/admin/\(section)").status == 200, "\(section)")
            }
            #expect(browser.page.contains("robot.add"))
            // A tag is removed and brought back.
            try await browser.get("/-/tag?name=team/app&tag=v1")
            try await browser.submit("/-/tag/delete", ["name": "team/app", "tag": "v1"])
            #expect(browser.page.contains("Restore v1"))
            try await browser.submit("/-/tag/restore", ["name": "team/app", "tag": "v1"])
            #expect(browser.page.contains("team/app:v1"))
            let entries = try await registry.registry.database.read {
                try $0.history(of: RepositoryName(parsing: "team/app"))
            }
            #expect(entries.map(\.by) == ["ann", "ann", "ann"])
        }
    }

    /// Another site's form cannot do anything: it knows no token, and its origin is told.
    @Test func formsOfOtherSitesAreRefused() async throws {
        try await run { registry, browser in
            try await browser.get("/-/login")
            try await browser.submit(
                "/-/login", ["user": "ann", "password": "ann's secret", "return": "//evil.example"])
            #expect(browser.page.contains("team/app"))
            let user = ["name": "eve", "password": "x", "administrator": "yes"]
            let guessed = try await browser.submit("/-/admin/users/add", user.merging(["csrf": "guess"]) { $1 })
            #expect(guessed.status == 403)
            try await browser.get("/-/admin")
            let foreign = try await browser.submit("/-/admin/users/add", user, origin: "http://evil.example")
            #expect(foreign.status == 403)
            let accounts = try await registry.registry.database.read { try $0.accounts() }
            #expect(accounts.map(\.name) == ["ann", "bob"])
            // The same form from our own page does it.
            try await browser.get("/-/admin")
            try await browser.submit("/-/admin/users/add", user)
            #expect(browser.page.contains("eve"))
        }
    }

    @Test func pagesAreSafeAndInTheReadersLanguage() async throws {
        try await run { _, browser in
            browser.language = "zh-CN"
            let answer = try await browser.get("/-/login")
            #expect(browser.page.contains(#"<html lang="zh-Hans">"#) && browser.page.contains("用户名"))
            #expect(answer["Content-Security-Policy"]?.contains("default-src 'none'") == true)
            #expect(answer["X-Content-Type-Options"] == "nosniff" && answer["Cache-Control"] == "no-store")
            #expect(try await browser.get("/-/style.css")["Content-Type"] == "text/css; charset=utf-8")
            // A reader's choice goes before his browser's, and leads back; never to another site.
            try await browser.get("/-/language?to=en&return=/-/login")
            #expect(browser.page.contains(#"<html lang="en">"#) && browser.page.contains("Log in to"))
            try await browser.get("/-/language?to=zh-Hans&return=//evil.example/")
            #expect(browser.page.contains(#"<html lang="zh-Hans">"#) && !browser.page.contains("evil"))
            #expect(try await browser.get("/-/language?to=xx").status == 404)
            #expect(try await browser.get("/-/nothing").status == 404)
        }
    }
}
