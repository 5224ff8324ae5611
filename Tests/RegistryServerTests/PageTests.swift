import OCI
import RegistryServer
import TestSupport
import Testing

struct PageTests {
    private let context = PageContext(
        language: .english, userName: "ann", isAdministrator: true, token: "token", authority: "registry.example:5000")

    @Test(arguments: [
        (nil, Language.english), ("zh-CN,zh;q=0.9,en;q=0.8", .chinese), ("de,en;q=0.5,zh;q=0.4", .english),
        ("en;q=0.1, zh;q=0.2", .chinese), ("zh;q=0", .english), ("x", .english), (";;;,,q=", .english),
    ])
    func theBrowserSaysTheLanguage(_ header: String?, _ expected: Language) {
        #expect(Language(accepting: header) == expected)
    }

    @Test func everyPhraseIsTranslated() {
        for phrase in Phrase.allPhrases {
            #expect(!Language.english(phrase).isEmpty && !Language.chinese(phrase).isEmpty)
        }
        #expect(Set(Phrase.allPhrases).count == Phrase.allPhrases.count)
    }

    /// Every page is well-formed markup, whatever the names in it hold: an XML parser reads it.
    @Test(arguments: Language.allCases) func pagesAreWellFormed(_ language: Language) throws {
        var context = context
        context.language = language
        let hostile = "</title><script>alert('x')</script>\"&\u{202e}"
        let digest = Digest.sha256(of: [1])
        let tag = Browse.TagRow(
            name: "v1", digest: digest, size: 1_234_567, platforms: ["linux/amd64", hostile], pushedAt: 0,
            pulledAt: nil,
            isImmutable: true, uniqueSize: 12)
        var start = Browse.Start()
        start.entrypoint = [hostile]
        start.environment = [hostile]
        start.labels = [(hostile, hostile)]
        let image = Browse.Image(
            platform: "linux/amd64", digest: digest,
            layers: [.init(command: hostile, digest: nil, size: 0), .init(command: "RUN x", digest: digest, size: 5)],
            start: start, configuration: "{\"a\": \"\(hostile)\"}")
        let entry = HistoryEntry(
            sequence: 1, repository: "a", tag: hostile, digest: nil, at: 0, by: "", previous: nil)
        let pages = [
            context.repositories(
                [.init(name: hostile, tags: 3, size: 999, pushedAt: 0)], search: hostile, next: hostile),
            context.repositories([], search: nil, next: nil),
            context.repository(
                "team/app",
                Browse.Repository(
                    tags: [tag], tagCount: 30, uniqueSize: 5, sharedSize: 6, pushedAt: 7, history: [entry],
                    historyProblem: hostile, next: hostile, restorable: [hostile], filter: hostile)),
            context.tag(
                "team/app", tag, images: [image, image], referrers: [.init(digest: digest, kind: hostile, size: 1)]),
            context.login(problem: .wrongCredentials, returnTo: hostile), context.message(.notFound),
        ]
        let directory = try TemporaryDirectory()
        for (number, page) in pages.enumerated() {
            #expect(!page.contains("<script>alert"))
            // HTML's void elements and bare attributes are the only things that XML reads otherwise.
            var xml = page.replacing("<!doctype html>", with: "")
            for flag in ["required", "hidden", "defer", "autofocus", "open", "checked"] {
                xml = xml.replacing(" \(flag)>", with: ">").replacing(" \(flag) ", with: " ")
            }
            try directory.write("\(number).html", Array(xml.utf8))
            _ = try runShell(
                """
                python3 -c "
                import re, xml.dom.minidom
                text = open('\(directory.path)/\(number).html').read()
                xml.dom.minidom.parseString(re.sub(r'<(meta|link|input|br|wbr|option)([^>]*)>', r'<\\1\\2/>', text))"
                """)
        }
    }

    @Test(arguments: [
        ("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]"), ("RUN /bin/sh -c make # buildkit", "RUN make"),
        ("/bin/sh -c a  &&     b", "RUN a \\\n    && b"), ("COPY a # b", "COPY a # b"), ("", ""),
        ("RUN a\nb && c", "RUN a\nb && c"),
    ])
    func commandsAreReadable(_ written: String, _ expected: String) {
        #expect(LayerCommand.readable(written) == expected)
    }

    private static let ageTexts: [(seconds: Int64, english: String, chinese: String)] = [
        (3, "just now", "刚刚"), (60, "1 minute ago", "1 分钟前"), (7300, "2 hours ago", "2 小时前"),
        (34_560_000, "1 year ago", "1 年前"), (-5, "just now", "刚刚"),
    ]

    @Test(arguments: ageTexts)
    func ages(_ seconds: Int64, _ english: String, _ chinese: String) {
        #expect(Language.english.age(seconds) == english && Language.chinese.age(seconds) == chinese)
    }

    @Test(arguments: [
        (Int64(0), "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.23 MB"), (99_960_000, "100 MB"),
    ])
    func sizes(_ count: Int64, _ expected: String) { #expect(context.bytes(count).description == expected) }

    @Test func onlyAdministratorsSeeTheWayToAdministration() {
        var user = context
        user.isAdministrator = false
        #expect(context.message(.notFound).contains("/-/admin"))
        #expect(!user.message(.notFound).contains("/-/admin"))
        user.userName = nil
        #expect(user.message(.notFound).contains("/-/login"))
    }

    @Test func nothingComesFromElsewhere() {
        #expect(!PageAssets.style.contains("url("))
        #expect(!PageAssets.style.contains("@import"))
        #expect(PageAssets.contentSecurityPolicy.hasPrefix("default-src 'none'"))
    }
}
