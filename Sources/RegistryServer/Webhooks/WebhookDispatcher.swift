import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import OCI
import Synchronization

/// Sends events to webhooks. All it knows is in the database: killed anywhere, the next process goes on, and an event may
/// come twice but never not at all.
final class WebhookDispatcher: Sendable {
    private struct Place: Hashable {
        var webhook: Int64
        var repository: String
    }

    private static let concurrent = 16
    private static let batch = 500
    private static let requestTime = TimeAmount.seconds(15)

    private let registry: Registry
    private let source: String
    private let logger: Logger
    private let client: HTTPClient
    private let busy = Mutex<Set<Place>>([])

    init(_ registry: Registry, source: String, logger: Logger) {
        self.registry = registry
        self.source = source
        self.logger = logger
        var configuration = HTTPClient.Configuration(
            redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5), read: .seconds(15)))
        configuration.httpVersion = .http1Only
        client = HTTPClient(eventLoopGroup: .singletonMultiThreadedEventLoopGroup, configuration: configuration)
    }

    /// Runs until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            while !Task.isCancelled {
                var pause = Duration.seconds(1)
                do { pause = try await turn(&group) } catch {
                    logger.error("failed to look for deliveries", metadata: ["error": "\(error)"])
                }
                // Another process may have written too: looked for at least once a second.
                await registry.changes.wait(atMost: min(pause, .seconds(1)))
            }
            group.cancelAll()
        }
        try? await client.shutdown()
    }

    /// Starts what is due.
    ///
    /// - Returns: how long until something else is.
    private func turn(_ group: inout TaskGroup<Void>) async throws -> Duration {
        let hooks = try await registry.database.read { try $0.webhooks() }
        if hooks.isEmpty { return .seconds(1) }
        let now = registry.now()
        for hook in hooks where !hook.isDisabled {
            let isBehind = try await registry.database.read { records in
                try !records.events(after: records.position(of: hook), limit: 1).isEmpty
            }
            while isBehind,
                try await registry.database.write({ records in
                    try records.planDeliveries(for: hook, at: now, limit: Self.batch)
                })
            {}
        }
        var pause = Int64(1000)
        for delivery in try await registry.database.read({ try $0.nextDeliveries(limit: Self.batch) }) {
            if delivery.next > now {
                pause = min(pause, delivery.next - now)
                continue
            }
            guard let hook = hooks.first(where: { $0.id == delivery.webhook }) else { continue }
            let place = Place(webhook: delivery.webhook, repository: delivery.repository)
            let isMine = busy.withLock { busy in
                busy.count < Self.concurrent && busy.insert(place).inserted
            }
            if !isMine { continue }
            group.addTask {
                await self.attempt(delivery, to: hook)
                _ = self.busy.withLock { $0.remove(place) }
                self.registry.changes.notify()
            }
        }
        return .milliseconds(max(pause, 10))
    }

    private func attempt(_ delivery: Delivery, to hook: Webhook) async {
        do {
            var settled = delivery
            settled.attempts += 1
            settled.first = delivery.first ?? registry.now()
            guard let event = try await registry.database.read({ try $0.event(delivery.event) }) else {
                settled.state = .failed
                settled.answer = "the event is no longer in the log"
                let final = settled
                return try await registry.database.write { try $0.settle(final) }
            }
            let (status, answer) = await send(try CloudEvent(event, source: source).encoded(), delivery, to: hook)
            if Task.isCancelled { return }
            let now = registry.now()
            settled.attempted = now
            settled.status = status.map { Int64($0) }
            settled.answer = answer
            if let status, (200..<300).contains(status) {
                settled.state = .delivered
            } else if let delay = DeliverySchedule.delay(
                afterAttempt: settled.attempts, age: (now - (settled.first ?? now)) / 1000, jitter: .random(in: 0...1))
            {
                settled.next = now + delay * 1000
            } else {
                settled.state = .failed
            }
            let final = settled
            try await registry.database.write { try $0.settle(final) }
        } catch {
            logger.error("failed to deliver", metadata: ["webhook": "\(hook.name)", "error": "\(error)"])
        }
    }

    /// - Returns: the status, nil where there was no answer, and what was said.
    private func send(_ body: [UInt8], _ delivery: Delivery, to hook: Webhook) async -> (Int?, String) {
        var request = HTTPClientRequest(url: hook.url)
        request.method = .POST
        request.headers = [
            "Content-Type": "application/cloudevents+json", "User-Agent": "strata-registry",
            "Strata-Delivery": "\(delivery.id)", "Strata-Attempt": "\(delivery.attempts + 1)",
            WebhookSignature.header: WebhookSignature.sign(
                body, secret: Array(hook.secret.utf8), at: registry.now() / 1000),
        ]
        request.body = .bytes(ByteBuffer(bytes: body))
        do {
            let response = try await client.execute(request, timeout: Self.requestTime)
            // What a receiver says is for people to read: the beginning is enough, and the rest is not waited for.
            var text = ByteBuffer()
            for try await piece in response.body {
                var piece = piece
                text.writeBuffer(&piece)
                if text.readableBytes > 2000 { break }
            }
            return (Int(response.status.code), String(String(buffer: text).prefix(500)))
        } catch {
            return (nil, "no answer: \(error)")
        }
    }
}

extension CloudEvent {
    init(_ event: RegistryEvent, source: String) {
        var data = ["actor": event.actor, "repository": event.repository]
        data["tag"] = event.tag
        data["digest"] = event.digest?.description
        data["previous"] = event.previous?.description
        data["mediaType"] = event.mediaType?.rawValue
        data["size"] = event.size.map { "\($0)" }
        self.init(
            id: "\(event.id)", source: source, type: "dev.strata.registry.\(event.kind.rawValue)",
            subject: event.repository, at: event.at / 1000, data: data)
    }
}
