import OCI
import RegistryServer
import Testing

struct RetentionPolicyTests {
    private let day: Int64 = 86_400
    private let now: Int64 = 100 * 86_400

    private func tag(_ name: String, age: Int64, pulled: Int64? = nil, immutable: Bool = false) -> RetentionPolicy.Tag {
        .init(name: name, movedAt: now - age * day, pulledAt: pulled.map { now - $0 * day }, isImmutable: immutable)
    }

    private func removed(_ rules: [RetentionPolicy.Rule], _ tags: [RetentionPolicy.Tag]) -> [String] {
        RetentionPolicy(rules: rules).decide(tags, now: now).filter { !$0.keeps }.map(\.tag.name)
    }

    @Test func theNewestOfAPatternStay() throws {
        let rule = RetentionPolicy.Rule(pattern: try TagPattern("nightly-*"), keeps: [.newest(2)])
        let tags = [tag("nightly-1", age: 3), tag("nightly-2", age: 2), tag("nightly-3", age: 1), tag("v1", age: 90)]
        #expect(removed([rule], tags) == ["nightly-1"])
    }

    @Test func oneReasonIsEnough() throws {
        let rule = RetentionPolicy.Rule(
            pattern: try TagPattern("*"), keeps: [.movedWithin(7 * day), .pulledWithin(30 * day)])
        let tags = [
            tag("new", age: 1), tag("old", age: 50), tag("used", age: 50, pulled: 29),
            tag("unused", age: 8, pulled: 31),
        ]
        #expect(removed([rule], tags) == ["unused", "old"])
        let pinned = RetentionPolicy.Rule(pattern: try TagPattern("old"), keeps: [.always])
        #expect(removed([rule, pinned], tags) == ["unused"])
    }

    @Test func immutableTagsAndTagsWithoutARuleStay() throws {
        let rule = RetentionPolicy.Rule(pattern: try TagPattern("v*"), keeps: [.newest(0)])
        #expect(
            removed([rule], [tag("v1", age: 1, immutable: true), tag("other", age: 99), tag("v2", age: 1)]) == ["v2"])
        #expect(removed([], [tag("v1", age: 99)]) == [])
    }

    @Test func tiesAreBrokenByName() throws {
        let rule = RetentionPolicy.Rule(pattern: try TagPattern("*"), keeps: [.newest(1)])
        #expect(removed([rule], [tag("b", age: 1), tag("a", age: 1)]) == ["b"])
        #expect(removed([rule], [tag("a", age: 1), tag("b", age: 1)]) == ["b"])
    }

    @Test func everyDecisionHasItsReason() throws {
        let rule = RetentionPolicy.Rule(pattern: try TagPattern("v*"), keeps: [.newest(1)])
        let decisions = RetentionPolicy(rules: [rule]).decide([tag("v1", age: 2), tag("v2", age: 1)], now: now)
        #expect(decisions.map(\.reason) == ["number 1 of the newest 1 of `v*`", "kept by none of the rules for `v*`"])
    }
}

struct HistoryChainTests {
    private func chain(_ count: Int) -> [HistoryEntry] {
        var entries: [HistoryEntry] = []
        for number in 1...count {
            entries.append(
                HistoryEntry(
                    sequence: Int64(number), repository: "team/app", tag: "v\(number)",
                    digest: Digest.sha256(of: [UInt8(number)]), at: 1000 + Int64(number), by: "ann",
                    previous: entries.last?.hash))
        }
        return entries
    }

    @Test func aWholeChainHolds() {
        let entries = chain(5)
        #expect(HistoryChain.problem(in: entries) == nil)
        #expect(HistoryChain.problem(in: entries, head: entries[4].hash) == nil)
        #expect(HistoryChain.problem(in: []) == nil)
    }

    @Test func everyChangeShows() {
        let entries = chain(5)
        let head = entries[4].hash
        let changes: [(inout HistoryEntry) -> Void] = [
            { $0.tag = "other" }, { $0.digest = nil }, { $0.at += 1 }, { $0.by = "bob" }, { $0.repository = "team/ap" },
        ]
        for change in changes {
            for index in entries.indices {
                var changed = entries
                change(&changed[index])
                #expect(HistoryChain.problem(in: changed, head: head) != nil)
            }
        }
        for index in entries.indices {
            var shorter = entries
            shorter.remove(at: index)
            #expect(HistoryChain.problem(in: shorter, head: head) != nil)
        }
    }
}

struct WebhookTests {
    @Test func aSignatureProvesBodySecretAndTime() {
        let body = Array("{}".utf8)
        let signature = WebhookSignature.sign(body, secret: [1, 2, 3], at: 1000)
        #expect(WebhookSignature.verify(signature, of: body, secret: [1, 2, 3], now: 1100))
        #expect(!WebhookSignature.verify(signature, of: body + [32], secret: [1, 2, 3], now: 1100))
        #expect(!WebhookSignature.verify(signature, of: body, secret: [1, 2, 4], now: 1100))
        #expect(!WebhookSignature.verify(signature, of: body, secret: [1, 2, 3], now: 1301))
        #expect(
            !WebhookSignature.verify(
                signature.replacing("t=1000", with: "t=1001"), of: body, secret: [1, 2, 3], now: 1100))
        #expect(!WebhookSignature.verify("", of: body, secret: [1, 2, 3], now: 1000))
        // The figure that `openssl dgst -sha256 -mac HMAC -macopt hexkey:010203` gives for `1000.{}`.
        #expect(signature == "t=1000,v1=4f7f82b903a5ba08b8652d9e0c7bea34977d7c7baa92134119abb0e995d04482")
    }

    @Test func deliveriesAreSpacedAndEnd() {
        let delays = (1...12).map { DeliverySchedule.delay(afterAttempt: $0, age: 0, jitter: 0) }
        #expect(delays == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600])
        #expect(DeliverySchedule.delay(afterAttempt: 1, age: 0, jitter: 1) == 12)
        #expect(DeliverySchedule.delay(afterAttempt: 99, age: DeliverySchedule.giveUpSeconds, jitter: 0) == nil)
    }

    @Test func anEventIsACloudEvent() throws {
        let event = CloudEvent(
            id: "7", source: "http://registry", type: "dev.strata.registry.push", subject: "team/app", at: 0,
            data: ["tag": "v1"])
        let text = String(decoding: try event.encoded(), as: UTF8.self)
        #expect(
            text
                == #"{"data":{"tag":"v1"},"datacontenttype":"application/json","id":"7","source":"http://registry","specversion":"1.0","subject":"team/app","time":"1970-01-01T00:00:00Z","type":"dev.strata.registry.push"}"#
        )
    }
}
