import SQL
import Synchronization

/// Counts of a server's requests, in the text form of Prometheus.
final class Metrics: Sendable {
    private struct Key: Hashable {
        var method: String
        var status: Int
    }

    private struct State {
        var requests: [Key: Int64] = [:]
        var seconds = 0.0
        var received: Int64 = 0
        var sent: Int64 = 0
        var underWay = 0
    }

    /// Others are counted together: a client must not be able to make series.
    private static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

    private let state = Mutex(State())

    func began() { state.withLock { $0.underWay += 1 } }

    func ended() { state.withLock { $0.underWay -= 1 } }

    func answered(_ method: String, _ status: Int, received: Int64, sent: Int64, _ time: Duration) {
        let key = Key(method: Self.methods.contains(method) ? method : "other", status: status)
        state.withLock { state in
            state.requests[key, default: 0] += 1
            state.seconds += Double(time.nanoseconds) / 1e9
            state.received += received
            state.sent += sent
        }
    }

    /// - Parameters:
    ///   - gauges: further values of now, by name.
    ///   - counters: further values that only grow.
    func text(
        _ gauges: [(name: String, help: String, value: Int64)],
        counters: [(name: String, help: String, value: Int64)] = []
    ) -> String {
        let now = state.withLock { $0 }
        var text = "# HELP strata_registry_requests_total Requests that were answered.\n"
        text += "# TYPE strata_registry_requests_total counter\n"
        let sorted = now.requests.sorted { ($0.key.method, $0.key.status) < ($1.key.method, $1.key.status) }
        for (key, count) in sorted {
            text += "strata_registry_requests_total{method=\"\(key.method)\",status=\"\(key.status)\"} \(count)\n"
        }
        func add(_ name: String, _ kind: String, _ help: String, _ value: String) {
            text += "# HELP strata_registry_\(name) \(help)\n# TYPE strata_registry_\(name) \(kind)\n"
            text += "strata_registry_\(name) \(value)\n"
        }
        add("request_seconds_total", "counter", "Time spent on requests.", "\(now.seconds)")
        add("received_bytes_total", "counter", "Bytes of request bodies.", "\(now.received)")
        add("sent_bytes_total", "counter", "Bytes of answers.", "\(now.sent)")
        add("requests_under_way", "gauge", "Requests that are not answered yet.", "\(now.underWay)")
        for counter in counters { add(counter.name, "counter", counter.help, "\(counter.value)") }
        for gauge in gauges { add(gauge.name, "gauge", gauge.help, "\(gauge.value)") }
        return text
    }
}

extension RegistryRecords {
    /// What a registry holds, for its metrics.
    func gauges() throws -> [(name: String, help: String, value: Int64)] {
        func count(_ sql: String) throws -> Int64 { try connection.row(sql)?.integer(0) ?? 0 }
        return [
            ("repositories", "Repositories.", try count("SELECT count(*) FROM repositories")),
            ("tags", "Tags.", try count("SELECT count(*) FROM tags")),
            ("blobs", "Blobs, each once.", try count("SELECT count(*) FROM blobs")),
            ("blob_bytes", "Bytes of all blobs, each once.", try count("SELECT coalesce(sum(size), 0) FROM blobs")),
            ("uploads", "Uploads under way.", try count("SELECT count(*) FROM uploads")),
            (
                "deliveries_waiting", "Webhook deliveries that wait.",
                try count("SELECT count(*) FROM deliveries WHERE state = 'waiting'")
            ),
        ]
    }
}
