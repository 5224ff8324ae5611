/// The texts of `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` that a container gets.
enum NetworkFiles {
    /// - Parameter address: of the container; nil where it has none of its own.
    static func hosts(hostname: String, domainname: String, address: String?, extra: [String], gateway: String?)
        -> String
    {
        var text = """
            127.0.0.1\tlocalhost
            ::1\tlocalhost ip6-localhost ip6-loopback
            fe00::\tip6-localnet
            ff00::\tip6-mcastprefix
            ff02::1\tip6-allnodes
            ff02::2\tip6-allrouters

            """
        text += extraHosts(extra, gateway: gateway)
        if let address, !hostname.isEmpty {
            let names = domainname.isEmpty ? hostname : "\(hostname).\(domainname) \(hostname)"
            text += "\(address)\t\(names)\n"
        }
        return text
    }

    /// Whether a word can stand for a host in `/etc/hosts`.
    static func isHostName(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 253
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }
    }

    /// Lines of `--add-host name:address`.
    static func extraHosts(_ extra: [String], gateway: String?) -> String {
        var text = ""
        for entry in extra {
            let parts = entry.split(separator: ":", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { continue }
            let address = parts[1] == "host-gateway" ? gateway ?? "127.0.0.1" : parts[1]
            text += "\(address)\t\(parts[0])\n"
        }
        return text
    }

    /// Checks a `--add-host`; `=` may stand for the colon.
    static func parseExtraHost(_ text: String) throws(ContainerError) -> String {
        let separator: Character = text.contains("=") ? "=" : ":"
        let parts = text.split(separator: separator, maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[0].isEmpty else {
            throw ContainerError(.invalid, "bad format for add-host: \"\(text)\"")
        }
        var address = parts[1]
        if address.hasPrefix("["), address.hasSuffix("]") { address = String(address.dropFirst().dropLast()) }
        guard address == "host-gateway" || IPAddress.isV4(address) || IPAddress.isV6(address) else {
            throw ContainerError(.invalid, "invalid IP address in add-host: \"\(parts[1])\"")
        }
        return "\(parts[0]):\(address)"
    }

    /// Docker's rules: what was asked for; else the host's, without servers that only the host can reach.
    ///
    /// - Parameters:
    ///   - sharesHost: the container uses the host's network, where all of the host's servers answer.
    ///   - fallback: servers to use where the host has only ones that it alone can reach; nil is docker's choice.
    static func resolv(
        host: String, servers: [String], searches: [String], options: [String], sharesHost: Bool,
        fallback: [String]? = nil
    )
        -> String
    {
        var found: (servers: [String], searches: [String], options: [String]) = ([], [], [])
        for line in host.split(separator: "\n") {
            let fields = line.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard fields.count > 1 else { continue }
            switch fields[0] {
            case "nameserver":
                let isLocal = fields[1].hasPrefix("127.") || fields[1] == "::1"
                if sharesHost || !isLocal { found.servers.append(fields[1]) }
            case "search", "domain": found.searches = Array(fields.dropFirst())
            case "options": found.options += fields.dropFirst()
            default: break
            }
        }
        if !servers.isEmpty { found.servers = servers }
        if !searches.isEmpty { found.searches = searches == ["."] ? [] : searches }
        if !options.isEmpty { found.options = options }
        if found.servers.isEmpty { found.servers = fallback ?? ["8.8.8.8", "8.8.4.4"] }
        var text = found.servers.map { "nameserver \($0)\n" }.joined()
        if !found.searches.isEmpty { text += "search \(found.searches.joined(separator: " "))\n" }
        if !found.options.isEmpty { text += "options \(found.options.joined(separator: " "))\n" }
        return text
    }
}
