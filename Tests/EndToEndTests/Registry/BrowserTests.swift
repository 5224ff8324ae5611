import TestSupport
import Testing

/// The registry's pages as people use them: Debian's Chromium in front of the real `strata registry serve`.
struct BrowserTests {
    private func logIn(_ browser: Browser, _ name: String) async throws {
        try await browser.open("/-/login")
        try await browser.type(name, into: "input[name=user]")
        try await browser.type("\(name)'s secret\n", into: "input[name=password]")
        #expect(try await browser.text("header").contains(name))
    }

    private func logOut(_ browser: Browser) async throws {
        try await browser.click(browser.button("Log out"))
        _ = try await browser.link("Log in")
    }

    /// Nothing was asked of another site, and nothing was wrong in the console but what `allowed` names.
    private func checkTraffic(_ browser: Browser, _ bench: BrowserBench, allowed: String = "\u{0}") async throws {
        let addresses = try await browser.requests()
        #expect(!addresses.isEmpty)
        for address in addresses { #expect(address.hasPrefix(bench.origin + "/"), "asked for \(address)") }
        let complaints = try await browser.complaints().filter { !$0.contains(allowed) }
        #expect(complaints.isEmpty)
    }

    /// The way from the front door to a changed right; with the pages' script and without.
    @Test(arguments: [true, false]) func aPersonLogsInFindsReadsAndManages(_ runsScripts: Bool) async throws {
        try await BrowserBench.run { bench in
            var settings = Browser.Settings()
            settings.runsScripts = runsScripts
            let browser = try await Browser(at: bench.origin, settings)
            let kind = runsScripts ? "" : "without-scripts-"
            // Whoever is not logged in sees nothing but the way in.
            try await browser.open("/")
            #expect(try await !browser.text().contains("team/"))
            try await browser.click(browser.link("Log in"))
            try await browser.type("bob", into: "input[name=user]")
            try await browser.type("a guess\n", into: "input[name=password]")
            #expect(try await browser.text("[role=alert]").contains("Wrong user name or password"))
            try await browser.screenshot("\(kind)wrong-password")
            try await logIn(browser, "bob")
            #expect(try await !browser.text("main").contains("secret/"))
            // Search, repository, tag.
            try await browser.type("HELLO\n", into: "input[type=search]")
            try await browser.screenshot("\(kind)search")
            try await browser.click(browser.link("team/hello"))
            #expect(try await browser.text("main").contains("docker pull \(bench.authority)/team/hello:1.0"))
            try await browser.click(browser.link("1.0"))
            let image = try await browser.text("main")
            for text in [
                "COPY /bin/busybox /bin/busybox", "COPY hello /usr/bin/hello", "CMD [\"hello\"]", "PATH=/usr/bin:/bin",
            ] {
                #expect(image.contains(text), "\(text) in \(image)")
            }
            #expect(!image.contains("Remove this tag"))
            let copy = try await browser.find("button[data-copy]")
            #expect(try await browser.isDisplayed(copy) == runsScripts)
            if runsScripts {
                try await browser.click(copy)
                _ = try await browser.button("Copied")
            }
            try await browser.screenshot("\(kind)image")
            // What he may not see looks like what is not there; what he may not do is refused.
            try await browser.open("/-/repository?name=secret/hello")
            let hidden = try await browser.text("main")
            try await browser.open("/-/repository?name=no/such")
            #expect(try await browser.text("main") == hidden)
            try await browser.open("/-/admin/access")
            #expect(try await browser.text("main").contains("You may not do that"))
            try await browser.screenshot("\(kind)refused")
            #expect(try await browser.all("input[name=subject]").isEmpty)
            try await logOut(browser)

            // The administrator gives him more.
            try await logIn(browser, "ann")
            try await browser.click(browser.link("Administration"))
            try await browser.click(browser.link("Rights"))
            try await browser.type("user:bob", into: ".form input[name=subject]")
            try await browser.type("secret/*", into: ".form input[name=pattern]")
            try await browser.click(browser.button("Grant"))
            let row = "//tr[td[contains(.,'secret/*')]]"
            try await browser.click(browser.find(path: "\(row)//input[@value='push']"))
            try await browser.click(browser.button("Save", in: row))
            _ = try await browser.find(path: "\(row)//input[@value='push' and @checked]")
            try await browser.screenshot("\(kind)rights")
            let rules = try bench.strata.succeed("registry", "access", "ls")
            #expect(
                rules.split(separator: "\n").contains { $0.contains("secret/*") && $0.contains("pull,push") },
                "\(rules)")
            try await logOut(browser)
            try await logIn(browser, "bob")
            #expect(try await browser.text("main").contains("secret/hello"))
            // The browser itself writes an answer of 403 or 404 to its console.
            try await checkTraffic(browser, bench, allowed: "the server responded with a status of 40")
            try await browser.quit()
        }
    }

    /// A form that another site sends, or that lost its token, does nothing.
    @Test func formsThatAreNotOursAreRefused() async throws {
        try await BrowserBench.run { bench in
            let browser = try await Browser(at: bench.origin)
            try await logIn(browser, "ann")
            try await browser.open("/-/admin/access")
            _ = try await browser.evaluate(
                "document.querySelectorAll('[name=csrf]').forEach(field => { field.value = 'x'.repeat(43) })")
            try await browser.type("anonymous", into: ".form input[name=subject]")
            try await browser.type("**", into: ".form input[name=pattern]")
            try await browser.click(browser.button("Grant"))
            #expect(try await browser.shows("form is too old", in: "main"))
            let form =
                "<form method=post action='\(bench.origin)/-/admin/access/add'><input name=subject value=anonymous>"
                + "<input name=pattern value='**'><input name=actions value=pull><button>Win a prize</button></form>"
            try await browser.open(address: "data:text/html,\(form)")
            try await browser.click(browser.button("Win a prize"))
            #expect(try await browser.shows("form is too old", in: "main"))
            #expect(try bench.strata.succeed("registry", "access", "ls").contains("anonymous") == false)
            try await browser.quit()
        }
    }

    /// Every page in both languages and colours, on a screen and on a phone: nothing wider than the phone, every text told
    /// from its ground, nothing loaded from elsewhere, no complaint of the browser.
    @Test(arguments: [
        ("en-US,en", "Repositories", false, nil), ("en-US,en", "Repositories", true, 360),
        ("zh-CN,zh", "镜像仓库", true, nil),
        ("zh-CN,zh", "镜像仓库", false, 320),
    ])
    func everyPageCanBeRead(_ languages: String, _ title: String, _ isDark: Bool, _ phone: Int?) async throws {
        try await BrowserBench.run { bench in
            var settings = Browser.Settings()
            settings.languages = languages
            let browser = try await Browser(at: bench.origin, settings)
            try await browser.preferDark(isDark)
            try await browser.phone(width: phone)
            let kind = "\(languages.prefix(2))-\(isDark ? "dark" : "light")-\(phone.map { "\($0)" } ?? "wide")"
            try await browser.open("/-/login")
            try await check(browser, "\(kind)-login")
            try await browser.type("ann", into: "input[name=user]")
            try await browser.type("ann's secret\n", into: "input[name=password]")
            #expect(try await browser.text("h1") == title)
            let pages = [
                ("repositories", "/"), ("repository", "/-/repository?name=team/web-frontend"),
                ("tag", "/-/tag?name=team/web-frontend&tag=latest"), ("admin-users", "/-/admin"),
            ]
            let sections = [
                "robots", "groups", "access", "webhooks", "retention", "immutable", "quotas", "garbage", "audit",
            ]
            for (name, path) in pages + sections.map({ ("admin-\($0)", "/-/admin/\($0)") }) {
                try await browser.open(path)
                // What is behind a click is read too.
                _ = try await browser.evaluate(
                    "document.querySelectorAll('main details').forEach(part => { part.open = true })")
                try await check(browser, "\(kind)-\(name)-open")
                _ = try await browser.evaluate(
                    "document.querySelectorAll('main details').forEach((part, index) => { part.open = index === 1 && part.className === 'platform' })"
                )
                try await browser.screenshot("\(kind)-\(name)")
            }
            try await checkTraffic(browser, bench)
            try await browser.quit()
        }
    }

    private func check(_ browser: Browser, _ name: String) async throws {
        #expect(try await browser.overflow() <= 0, "\(name) is wider than its screen")
        let pale = try await browser.evaluate(Self.paleTexts).array.compactMap(\.string)
        #expect(pale.isEmpty, "\(name)")
    }

    /// The texts whose contrast to their ground is below 4.5 (WCAG 2.2 §1.4.3).
    private static let paleTexts = """
        (() => {
          const parse = text => {
            const numbers = text.match(/[\\d.]+/g).map(Number);
            return text.startsWith("color(") ? [...numbers.slice(0, 3).map(part => part * 255), numbers[3] ?? 1] :
              [...numbers.slice(0, 3), numbers[3] ?? 1];
          };
          const light = colour => colour.slice(0, 3).map(part => part / 255)
            .map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
            .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
          const ground = element => {
            for (; element; element = element.parentElement) {
              const colour = parse(getComputedStyle(element).backgroundColor);
              if (colour[3] === 1) return colour;
            }
            return [255, 255, 255, 1];
          };
          const pale = [];
          for (const element of document.querySelectorAll("body *")) {
            const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
            if (!own || !element.checkVisibility()) continue;
            const [one, other] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
            const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
            if (contrast < 4.5) pale.push(`${contrast.toFixed(2)} ${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`);
          }
          return pale;
        })()
        """

    /// From the login to a layer without a pointer, and it always shows where the keyboard is.
    @Test func theKeyboardAloneIsEnough() async throws {
        try await BrowserBench.run { bench in
            let browser = try await Browser(at: bench.origin)
            try await browser.open("/-/login")
            // The first field has the keyboard already.
            try await browser.press("bob")
            try await browser.press(.tab)
            try await browser.press("bob's secret")
            try await browser.press(.enter)
            _ = try await browser.link("team/hello")
            try await browser.press(.tab)
            #expect(try await browser.text(browser.focused()) == "Skip to content")
            try await browser.press(.enter)
            try await tab(to: "team/hello", browser)
            try await browser.press("/")
            #expect(try await browser.attribute("name", of: browser.focused()) == "q")
            try await browser.press("web")
            try await browser.press(.enter)
            _ = try await browser.find(path: "//h1[contains(.,'web')]")
            try await tab(to: "team/web-frontend", browser)
            try await browser.press(.enter)
            _ = try await browser.link("latest")
            try await tab(to: "latest", browser)
            try await browser.press(.enter)
            _ = try await browser.find("details.platform")
            try await tab(to: "linux/arm64", browser)
            let step = try await browser.find("details.platform:nth-of-type(n+2):not([open]) .step")
            #expect(try await !browser.isDisplayed(step))
            try await browser.press(.enter)
            #expect(try await browser.isDisplayed(step))
            try await checkTraffic(browser, bench)
            try await browser.quit()
        }
    }

    /// Presses Tab until the keyboard is on what says this.
    private func tab(to text: String, _ browser: Browser) async throws {
        for _ in 0..<60 {
            try await browser.press(.tab)
            let here = try await browser.focused()
            let outline = try await browser.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            let words = try await browser.text(here)
            #expect(outline != "none", "the keyboard cannot be seen on \(words)")
            if words.hasPrefix(text) { return }
        }
        throw Browser.Failure(description: "Tab does not come to \(text)")
    }
}
