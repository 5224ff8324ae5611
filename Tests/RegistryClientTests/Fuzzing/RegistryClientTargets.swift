import OCI
import TestSupport

@testable import RegistryClient

/// The parsers of `RegistryClient`: what registries and configuration files say.
enum RegistryClientTargets {
    static let all = [challenge, toml, address, contentRange, retryAfter, base64, json]

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static let challenge = FuzzTarget(
        "challenge",
        seeds: [
            #"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull""#,
            #"Basic realm="a \"quoted\" name", Bearer realm=x , Negotiate YWJj=="#, "Negotiate", #"Basic ,,, a="#,
        ]
    ) { bytes in
        guard let challenges = try? Challenge.parse(text(bytes)) else { return }
        try hold(challenges.count <= Challenge.challengeLimit, "too many challenges")
        for challenge in challenges {
            try hold(!challenge.scheme.isEmpty && challenge.scheme == challenge.scheme.lowercased(), "a bad scheme")
            try hold(challenge.parameters.count <= Challenge.parameterLimit, "too many parameters")
            for value in challenge.parameters.values {
                try hold(!value.utf8.contains { $0 < 0x20 && $0 != 9 }, "a control character")
            }
        }
    }

    private static let toml = FuzzTarget(
        "toml",
        seeds: [
            """
            unqualified-search-registries = ["docker.io", 'quay.io'] # first
            [[registry]]
            prefix = "example.com/\\u00e9\\t"
            insecure = true
            [[registry.mirror]]
            location = "mirror:5000/x"
            pull-from-mirror = "digest-only"
            [aliases]
            "a.b" = "c"
            x = {y = 1, z = [ -0x1F, 0b1, 1_000,
              ]}

            """, #"a.b.c = [[1], ["]"]]"#, "x = \"\"\"", "a = 99999999999999999999", "[a]\n[a]\n",
            "a = " + String(repeating: "[", count: 5000),
        ]
    ) { bytes in
        guard let table = try? TOMLSubset.parse(text(bytes)) else { return }
        try hold((try? TOMLSubset.parse(text(bytes))) == table, "read twice, it differs")
    }

    private static let address = FuzzTarget(
        "address",
        seeds: ["https://host:5000/v2/?a=b#c", "http://[::1]/a%20b", "HTTPS://Host", "../x?y", "//other/z", "/p;a"]
    ) { bytes in
        let base = WebAddress(origin: .init(scheme: .https, host: "registry.example", port: 443), path: "/v2/a/b")
        for address in [WebAddress(parsing: text(bytes)), base.resolving(text(bytes))] {
            guard let address else { continue }
            try hold(WebAddress(parsing: address.description) == address, "\(address) is not what it was")
            try hold(address.path.hasPrefix("/"), "\(address) has no path")
            try hold(
                !address.origin.host.utf8.contains { $0 <= 0x20 || $0 >= 0x7F || "@/?#\\".utf8.contains($0) },
                "a bad host")
        }
    }

    private static let contentRange = FuzzTarget("contentRange", seeds: ["bytes 0-99/100", "Bytes 5-5/*", "bytes 1-/"])
    { bytes in
        guard let range = ContentRange(parsing: text(bytes)) else { return }
        try hold(range.first >= 0 && range.first <= range.last && range.total ?? .max > range.last, "\(range) is none")
    }

    private static let retryAfter = FuzzTarget(
        "retryAfter", seeds: ["120", "Sun, 06 Nov 1994 08:49:37 GMT", "Tue, 29 Feb 9999 23:59:60 GMT", "-1"]
    ) { bytes in
        guard let seconds = RetryAfter.seconds(text(bytes), now: 1_800_000_000) else { return }
        try hold(seconds >= 0, "a time in the past")
    }

    private static let base64 = FuzzTarget("base64", seeds: ["dXNlcjpwYXNzd29yZA==", "YWI=", "YWJj", "===="]) { bytes in
        try hold(Base64.decode(Base64.encode(bytes)) == bytes, "encoded and decoded, it differs")
        guard let decoded = Base64.decode(text(bytes)) else { return }
        try hold(decoded.count <= bytes.count / 4 * 3, "more than there is")
    }

    private static let json = FuzzTarget(
        "json",
        seeds: [
            #"{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpwdw=="}},"credHelpers":{"a":"b"},"x":[1,2.5,null,true,"\u00e9"]}"#,
            String(repeating: "[", count: 10_000),
        ]
    ) { bytes in
        _ = try? Document<JSONValue>(parsing: bytes, kind: "fuzz", limit: 1 << 20)
    }
}
