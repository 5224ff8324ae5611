import RegistryServer
import Testing

struct HTMLTests {
    @Test(arguments: [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"), ("a & b", "a &amp; b"),
        ("\"quoted\" 'it'", "&quot;quoted&quot; &#39;it&#39;"), ("\u{0}\u{1b}[31m", "\u{fffd}\u{fffd}[31m"),
        // Right-to-left override: makes `gpj.exe` look like an image.
        ("\u{202e}gpj.exe", "\u{fffd}gpj.exe"), ("镜像 ünïcode", "镜像 ünïcode"),
    ])
    func textIsEscaped(_ text: String, _ expected: String) {
        #expect(HTML.text(text).description == expected)
    }

    @Test func attributesCannotBeLeft() {
        let element = HTML.element(
            "a", [.text("title", "\"><script>"), .link(path: ["a\"b", "c/d", "..", "é"], query: [("q", "x&y=z")])])
        #expect(
            element.description
                == "<a title=\"&quot;&gt;&lt;script&gt;\" href=\"/a%22b/c%2Fd/../%C3%A9?q=x%26y%3Dz\"></a>")
        // An address always begins with a slash: no `javascript:`, no other host.
        #expect(
            HTML.anchor("x", path: ["javascript:alert(1)"]).description
                == "<a href=\"/javascript%3Aalert%281%29\">x</a>")
        #expect(HTML.anchor("x", path: ["", "evil.example"]).description == "<a href=\"/evil.example\">x</a>")
    }

    @Test func flagsAreThereOrNot() {
        #expect(HTML.void("input", [.flag("required"), .flag("checked", if: false)]).description == "<input required>")
    }

    @Test func aFormCarriesItsToken() {
        let form = HTML.form(
            path: ["admin", "users"], token: "t<", submit: "Add", [.field(label: "Name", name: "name")])
        #expect(form.description.contains("<input type=\"hidden\" name=\"csrf\" value=\"t&lt;\">"))
        #expect(form.description.hasPrefix("<form method=\"post\" action=\"/admin/users\">"))
    }
}
