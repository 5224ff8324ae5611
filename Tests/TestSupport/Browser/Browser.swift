#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Debian's Chromium without a screen, driven over W3C WebDriver: what a person does with a page, and what he sees.
///
///     let browser = try await Browser(at: "http://127.0.0.1:5000")
///     try await browser.open("/")
///     try await browser.type("app\n", into: "input[type=search]")
///     #expect(try await browser.text().contains("team/app"))
///
/// Whatever is looked for may come late: every search waits for it, up to a deadline.
package final class Browser: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
        package init(description: String) { self.description = description }
    }

    /// An element of the page that is open.
    package struct Element: Sendable, Hashable { fileprivate var id: String }

    /// How the browser is set up.
    package struct Settings: Sendable {
        package var runsScripts = true
        /// `zh-CN,zh`: what it asks for with `Accept-Language`.
        package var languages = "en-US,en"
        package var width = 1280
        package var height = 900
        package init() {}
    }

    private static let elementKey = "element-6066-11e4-a52e-4f735466cecf"

    private let driver: BrowserDriver
    private let session: String
    /// `http://127.0.0.1:5000`.
    package let origin: String

    package init(at origin: String, _ settings: Settings = Settings()) async throws {
        self.origin = origin
        driver = try BrowserDriver()
        var preferences: [String: JSON] = ["intl.accept_languages": .string(settings.languages)]
        // 2: blocked, as a reader can set it for every site.
        if !settings.runsScripts { preferences["profile.managed_default_content_settings.javascript"] = 2 }
        let flags = [
            "--headless=new", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--no-proxy-server",
            "--user-data-dir=\(driver.directory.path)/profile",
            "--window-size=\(settings.width),\(settings.height)",
            // Chromium's sandbox refuses root, which the tests are.
            "--no-sandbox",
        ]
        let options: JSON = [
            "binary": "/usr/bin/chromium", "args": .array(flags.map { .string($0) }), "prefs": .object(preferences),
        ]
        let wanted: JSON = [
            "capabilities": [
                "alwaysMatch": [
                    "goog:chromeOptions": options, "goog:loggingPrefs": ["browser": "ALL", "performance": "ALL"],
                    "timeouts": ["implicit": 10_000, "pageLoad": 60_000, "script": 10_000],
                ]
            ]
        ]
        let answer = try await Self.call(driver.client, "POST", "/session", wanted)
        guard let id = answer["sessionId"].string else { throw Failure(description: "no session: \(answer)") }
        session = id
    }

    /// Ends the browser.
    package func quit() async throws {
        _ = try await send("DELETE", "")
        driver.stop()
    }

    // MARK: Going

    /// Opens a path of the origin.
    package func open(_ path: String) async throws {
        _ = try await send("POST", "/url", ["url": .string(origin + path)])
    }

    /// Opens any address.
    package func open(address: String) async throws { _ = try await send("POST", "/url", ["url": .string(address)]) }

    package func location() async throws -> String {
        String(try await send("GET", "/url").string?.dropFirst(origin.utf8.count) ?? "")
    }

    // MARK: Seeing

    /// Waits for an element.
    ///
    /// - Parameter selector: of CSS.
    package func find(_ selector: String) async throws -> Element { try await find("css selector", selector) }

    /// Waits for the link with this text.
    package func link(_ text: String) async throws -> Element { try await find("link text", text) }

    /// Waits for the button, or what opens something, that says this.
    package func button(_ text: String, in scope: String = "//body") async throws -> Element {
        try await find("xpath", "\(scope)//*[self::button or self::summary][normalize-space()='\(text)']")
    }

    /// Waits for what an XPath expression names.
    package func find(path: String) async throws -> Element { try await find("xpath", path) }

    private func find(_ how: String, _ what: String) async throws -> Element {
        let answer = try await send("POST", "/element", ["using": .string(how), "value": .string(what)])
        guard let id = answer[Self.elementKey].string else { throw Failure(description: "no element: \(answer)") }
        return Element(id: id)
    }

    /// The elements of a selector that are there now.
    package func all(_ selector: String) async throws -> [Element] {
        _ = try await send("POST", "/timeouts", ["implicit": 0])
        let answer = try await send("POST", "/elements", ["using": "css selector", "value": .string(selector)])
        _ = try await send("POST", "/timeouts", ["implicit": 10_000])
        return answer.array.compactMap { $0[Self.elementKey].string }.map { Element(id: $0) }
    }

    /// The text that a reader sees.
    package func text(_ selector: String = "body") async throws -> String {
        let deadline = ContinuousClock.now + .seconds(10)
        while true {
            do { return try await text(find(selector)) } catch {
                // The page gave way to the next one between the two questions.
                guard "\(error)".contains("stale element reference"), ContinuousClock.now < deadline else {
                    throw error
                }
            }
        }
    }

    /// Whether a text comes into sight within ten seconds: a form that was sent may still be on its way.
    package func shows(_ words: String, in selector: String) async throws -> Bool {
        let deadline = ContinuousClock.now + .seconds(10)
        while try await !text(selector).contains(words) {
            if ContinuousClock.now >= deadline { return false }
            try await Task.sleep(for: .milliseconds(50))
        }
        return true
    }

    package func text(_ element: Element) async throws -> String {
        try await send("GET", "/element/\(element.id)/text").string ?? ""
    }

    package func attribute(_ name: String, of element: Element) async throws -> String? {
        try await send("GET", "/element/\(element.id)/attribute/\(name)").string
    }

    package func isDisplayed(_ element: Element) async throws -> Bool {
        try await send("GET", "/element/\(element.id)/displayed") == true
    }

    /// The element that the keyboard is on.
    package func focused() async throws -> Element {
        let answer = try await send("GET", "/element/active")
        guard let id = answer[Self.elementKey].string else {
            throw Failure(description: "nothing is focused: \(answer)")
        }
        return Element(id: id)
    }

    /// What a script of the test finds out in the page; it works where the page's own scripts are off too.
    package func evaluate(_ expression: String) async throws -> JSON {
        let answer = try await developer(
            "Runtime.evaluate", ["expression": .string(expression), "returnByValue": true])
        if answer["exceptionDetails"] != .null { throw Failure(description: "\(expression): \(answer)") }
        return answer["result"]["value"]
    }

    // MARK: Doing

    package func click(_ element: Element) async throws {
        _ = try await send("POST", "/element/\(element.id)/click", [:])
    }

    /// Replaces a field's text, key by key; `\n` is Enter.
    package func type(_ text: String, into selector: String) async throws {
        let element = try await find(selector)
        _ = try await send("POST", "/element/\(element.id)/clear", [:])
        let keys: JSON = ["text": .string(text.replacing("\n", with: Key.enter.rawValue))]
        if !text.hasSuffix("\n") {
            _ = try await send("POST", "/element/\(element.id)/value", keys)
            return
        }
        // Enter sends the form: what is looked for next is looked for in the page that comes.
        let page = try await find("html")
        _ = try await send("POST", "/element/\(element.id)/value", keys)
        let deadline = ContinuousClock.now + .seconds(30)
        while (try? await send("GET", "/element/\(page.id)/name")) != nil {
            if ContinuousClock.now > deadline { throw Failure(description: "the form in `\(selector)` leads nowhere") }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Keys that are none of the text's: WebDriver §17.4.2.
    package enum Key: String, Sendable { case tab = "\u{e004}", enter = "\u{e007}", space = " " }

    /// Presses keys one after the other, wherever the keyboard is.
    package func press(_ keys: String) async throws {
        let actions = keys.flatMap { key -> [JSON] in
            ["keyDown", "keyUp"].map { ["type": .string($0), "value": .string(String(key))] }
        }
        _ = try await send(
            "POST", "/actions", ["actions": [["type": "key", "id": "keyboard", "actions": .array(actions)]]])
    }

    package func press(_ key: Key) async throws { try await press(key.rawValue) }

    // MARK: Looking like

    /// Pretends that the reader prefers dark colours.
    package func preferDark(_ isDark: Bool) async throws {
        try await developer(
            "Emulation.setEmulatedMedia",
            [
                "features": [
                    ["name": "prefers-color-scheme", "value": .string(isDark ? "dark" : "light")]
                ]
            ])
    }

    /// Pretends to be a phone of this width, or with nil a screen.
    package func phone(width: Int?) async throws {
        guard let width else {
            try await developer("Emulation.clearDeviceMetricsOverride", [:])
            return
        }
        try await developer(
            "Emulation.setDeviceMetricsOverride",
            ["width": .number(Double(width)), "height": 740, "deviceScaleFactor": 2, "mobile": true])
    }

    /// By how many pixels the page is wider than the screen.
    package func overflow() async throws -> Double {
        try await evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth").number ?? -1
    }

    /// Writes a picture of the whole page into the folder that `STRATA_SCREENSHOTS` names, where it names one.
    package func screenshot(_ name: String) async throws {
        guard let folder = ProcessInfo.processInfo.environment["STRATA_SCREENSHOTS"], !folder.isEmpty else { return }
        let answer = try await developer("Page.captureScreenshot", ["format": "png", "captureBeyondViewport": true])
        guard let text = answer["data"].string, let image = Data(base64Encoded: text) else {
            throw Failure(description: "no picture: \(answer)")
        }
        _ = try runShell("mkdir -p '\(folder)'")
        try image.write(to: URL(filePath: "\(folder)/\(name).png"))
    }

    // MARK: Watching

    /// What the browser complained of since the last time: errors, and what the content security policy stopped.
    package func complaints() async throws -> [String] {
        try await send("POST", "/se/log", ["type": "browser"]).array.compactMap { entry in
            ["SEVERE", "WARNING"].contains(entry["level"].string) ? entry["message"].string : nil
        }
    }

    /// The addresses that were asked for over the network since the last time: not what the browser brings along.
    package func requests() async throws -> [String] {
        try await send("POST", "/se/log", ["type": "performance"]).array.compactMap { entry in
            guard let text = entry["message"].string else { return nil }
            let message = try JSON(parsing: Array(text.utf8))["message"]
            guard message["method"].string == "Network.requestWillBeSent",
                let address = message["params"]["request"]["url"].string
            else { return nil }
            return address.hasPrefix("http") || address.hasPrefix("ws") ? address : nil
        }
    }

    // MARK: Talking

    /// A command of Chromium's own protocol.
    @discardableResult
    private func developer(_ command: String, _ parameters: JSON) async throws -> JSON {
        try await send("POST", "/goog/cdp/execute", ["cmd": .string(command), "params": parameters])
    }

    private func send(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        try await Self.call(driver.client, method, "/session/\(session)\(path)", body)
    }

    private static func call(_ client: WireClient, _ method: String, _ path: String, _ body: JSON?) async throws -> JSON
    {
        let answer = try await client.send(
            method, path, headers: ["Content-Type": "application/json"], body: body.map { try $0.bytes })
        let value = try JSON(parsing: answer.body)["value"]
        if answer.status != 200 {
            throw Failure(
                description:
                    "\(method) \(path) \(body.map { String(decoding: (try? $0.bytes) ?? [], as: UTF8.self) } ?? ""): "
                    + "\(value["error"].string ?? "\(answer.status)"): \(value["message"].string?.prefix(500) ?? "")")
        }
        return value
    }
}
