import Testing

@testable import RegistryClient

/// What registries say in headers, and what is made of it.
@Suite struct HeaderTests {
    struct Challenged: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// `scheme key=value,…` of each challenge; nil where it is refused.
        var read: [String]?
        init(_ header: String, _ read: [String]?) { (testDescription, self.read) = (header, read) }
    }

    @Test(arguments: [
        Challenged("", []), Challenged(" , ,", []), Challenged("Negotiate", ["negotiate "]),
        Challenged("Basic realm=\"a\"", ["basic realm=a"]),
        Challenged("BASIC Realm = a", ["basic realm=a"]),
        Challenged(
            #"Bearer realm="https://a/t",service="s, t",scope="repository:a/b:pull,push repository:c:pull""#,
            ["bearer realm=https://a/t;scope=repository:a/b:pull,push repository:c:pull;service=s, t"]),
        Challenged(#"Basic realm="a \"b\" \\", Bearer realm=x"#, [#"basic realm=a "b" \"#, "bearer realm=x"]),
        Challenged("Negotiate YWJj==, Basic realm=a", ["negotiate ", "basic realm=a"]),
        Challenged("Bearer a=b c=d", nil), Challenged("Bearer a=", ["bearer "]), Challenged("Bearer a=\"b", nil),
        Challenged("Bearer a=\"b\\", nil), Challenged("Bearer a=b, A=c", nil), Challenged("Bearer a=\"\u{1}\"", nil),
        Challenged("\u{e9} a=b", nil), Challenged("=", nil), Challenged("a\"b\"", nil),
        Challenged(String(repeating: "Basic,", count: 17), nil),
        Challenged("A " + (0..<33).map { "k\($0)=v" }.joined(separator: ","), nil),
        Challenged("A a=" + String(repeating: "x", count: 17 << 10), nil),
    ])
    func challenges(_ row: Challenged) {
        let read = try? Challenge.parse(row.testDescription).map { challenge in
            let parameters = challenge.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            return "\(challenge.scheme) \(parameters.joined(separator: ";"))"
        }
        #expect(read == row.read)
    }

    struct Addressed: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var address: String?
        init(_ text: String, _ address: String?) { (testDescription, self.address) = (text, address) }
    }

    /// As a `Location` of an answer from `https://host:5000/v2/a/b?x`.
    @Test(arguments: [
        Addressed("https://Other/a", "https://other/a"), Addressed("HTTP://other:80/a", "http://other/a"),
        Addressed("https://other:443", "https://other/"), Addressed("https://other?q=1#f", "https://other/?q=1"),
        Addressed("//other/a", "https://other/a"), Addressed("/c", "https://host:5000/c"),
        Addressed("c?d", "https://host:5000/v2/a/c?d"), Addressed("?d", "https://host:5000/v2/a/b?d"),
        Addressed("https://[::1]:8/a", "https://[::1]:8/a"), Addressed("https://a_b.c-d/", "https://a_b.c-d/"),
        Addressed("", nil), Addressed("https://", nil), Addressed("https:///a", nil), Addressed("ftp://a/", nil),
        Addressed("file:///a", nil), Addressed("javascript:x", nil), Addressed("https://a@b/", nil),
        Addressed("https://a:b@c/", nil), Addressed("https://a\\@b/", nil), Addressed("https://a b/", nil),
        Addressed("https://a:0/", nil), Addressed("https://a:65536/", nil), Addressed("https://a:/", nil),
        Addressed("https://a:+1/", nil), Addressed("https://-a/", nil), Addressed("https://.a/", nil),
        Addressed("https://\u{e9}/", nil), Addressed("https://[::1/", nil), Addressed("https://[::1%25lo]/", nil),
        Addressed("/a\r\nX: y", nil), Addressed("/a\u{0}", nil), Addressed("https://a%2eb/", nil),
        Addressed("/" + String(repeating: "x", count: 17 << 10), nil),
    ])
    func addresses(_ row: Addressed) throws {
        let base = try #require(WebAddress(parsing: "https://host:5000/v2/a/b?x"))
        #expect(base.resolving(row.testDescription)?.description == row.address)
    }

    @Test func queriesAreNotShown() throws {
        let address = try #require(WebAddress(parsing: "https://host/a?signature=secret"))
        #expect(address.redacted == "https://host/a?…")
        #expect(address.adding([("a b", "c/d&e=f")]).query == "signature=secret&a%20b=c%2Fd%26e%3Df")
    }

    @Test(
        arguments: [
            ("0", 0), ("120", 120), ("9999999999", 9_999_999_999), ("10000000000", nil), ("-1", nil), ("1.5", nil),
            ("", nil),
            (" 5", nil), ("Sun, 06 Nov 1994 08:49:37 GMT", 0), ("Fri, 15 Jan 2027 08:00:10 GMT", 10),
            ("Tue, 29 Feb 2028 00:00:00 GMT", 35395200), ("Sun, 06 Nov 1994 24:00:00 GMT", nil),
            ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 06 Nov 1994 08:49:37 CET", nil),
            ("Sun, 6 Nov 1994 08:49:37 GMT", nil),
            ("Sun, 00 Nov 1994 08:49:37 GMT", nil), ("Sun, 06 Nov 1900 08:49:37 GMT", nil),
        ] as [(String, Int64?)])
    func retryAfter(_ header: String, _ seconds: Int64?) {
        // 15 January 2027, 08:00:00.
        #expect(RetryAfter.seconds(header, now: 1_800_000_000) == seconds)
    }

    @Test(
        arguments: [
            ("bytes 0-99/100", 0, 99, 100), ("Bytes 5-5/*", 5, 5, nil), ("bytes 99-0/100", nil, nil, nil),
            ("bytes 0-100/100", nil, nil, nil), ("bytes */100", nil, nil, nil), ("bytes 0-1", nil, nil, nil),
            ("bytes -1-2/3", nil, nil, nil), ("bytes 0-99999999999999999999/*", nil, nil, nil),
            ("items 0-1/2", nil, nil, nil),
            ("bytes +0-1/2", nil, nil, nil), ("bytes 0-1/2/3", nil, nil, nil),
        ] as [(String, Int64?, Int64?, Int64?)])
    func contentRange(_ header: String, _ first: Int64?, _ last: Int64?, _ total: Int64?) {
        let range = ContentRange(parsing: header)
        #expect(range?.first == first && range?.last == last && range?.total == total)
    }

    @Test(arguments: [
        (#"</v2/a/tags/list?n=1>; rel="next""#, "/v2/a/tags/list?n=1"), ("<b>;rel=next", "b"),
        ("<b>; rel=\"prev\"", nil),
        ("b; rel=next", nil), ("<b; rel=next", nil), ("<b>", nil), (">b<; rel=next", nil),
    ])
    func nextLink(_ header: String, _ target: String?) { #expect(RegistryClient.nextLink(header) == target) }
}
