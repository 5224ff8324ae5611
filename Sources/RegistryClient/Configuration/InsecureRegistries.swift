/// Registries that need no verified TLS: hosts, and ranges of IPv4 addresses as docker's configuration has them.
struct InsecureRegistries: Sendable {
    private var hosts: Set<String> = []
    private var ranges: [(network: UInt32, mask: UInt32)] = []

    init(_ entries: [String] = []) {
        for entry in entries {
            if let range = Self.range(entry) {
                ranges.append(range)
            } else {
                hosts.insert(entry.lowercased())
            }
        }
    }

    mutating func insert(hostOf location: String) { hosts.insert(String(location.prefix { $0 != "/" }).lowercased()) }

    func contains(_ authority: String) -> Bool {
        if hosts.contains(authority.lowercased()) { return true }
        guard let origin = WebAddress.origin(.https, authority: authority) else { return false }
        if hosts.contains(origin.host) { return true }
        guard let address = Self.address(origin.host[...]) else { return false }
        return ranges.contains { address & $0.mask == $0.network }
    }

    private static func range(_ text: String) -> (network: UInt32, mask: UInt32)? {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let network = address(parts[0]), let bits = UInt32(parts[1]), bits <= 32 else {
            return nil
        }
        let mask: UInt32 = bits == 0 ? 0 : ~0 << (32 - bits)
        return (network & mask, mask)
    }

    private static func address(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard let part else { return nil }
            address = address << 8 | UInt32(part)
        }
        return address
    }
}
