import Containers
import Linux
import OCI

extension ContainerSettings {
    /// `--network` and what belongs to it: a mode, or docker's long form `name=bridge,ip=…`.
    mutating func readNetwork(_ flags: FlagValues) throws {
        func invalid(_ text: String, hint: String? = nil) -> ContainerError {
            ContainerError(.invalid, text, hint: hint)
        }
        let networks = flags.list("network") + flags.list("net")
        if networks.count > 1 {
            throw invalid("a container can be on one network only", hint: "give --network once")
        }
        host.staticAddress = flags.text("ip")
        host.macAddress = flags.text("mac-address")
        host.networkAliases = flags.list("network-alias") + flags.list("net-alias")
        if let text = networks.first {
            if text.contains("=") { try readLongForm(text) } else { host.networkMode = text }
        }
        if !host.staticAddress.isEmpty, !IPAddress.isV4(host.staticAddress) {
            throw invalid("invalid IPv4 address: \(host.staticAddress)")
        }
        if !host.macAddress.isEmpty, parseMACAddress(host.macAddress) == nil {
            throw invalid("\(host.macAddress) is not a valid mac address")
        }
        if !host.staticAddress.isEmpty, host.network != "bridge" {
            throw invalid("conflicting options: --ip needs the bridge network")
        }
        let links = flags.list("link")
        host.links = links.isEmpty ? nil : links
        host.dns = flags.list("dns")
        for address in host.dns where !IPAddress.isV4(address) && !IPAddress.isV6(address) {
            throw invalid(
                "invalid argument \"\(address)\" for \"--dns\" flag: IP address is not correctly formatted: \(address)")
        }
        host.dnsSearch = flags.list("dns-search")
        host.dnsOptions = flags.list("dns-option") + flags.list("dns-opt")
        host.extraHosts = flags.list("add-host")
        host.publishAllPorts = flags.isOn("publish-all")
        host.portBindings = try flags.list("publish").flatMap { text in
            try text.contains("=") ? Self.longPort(text) : PortMapping.parse(text)
        }
        for mapping in host.portBindings {
            config.exposedPorts = (config.exposedPorts ?? [:]).merging(["\(mapping.container)": .init()]) { $1 }
        }
        if host.network == "host", !host.portBindings.isEmpty || host.publishAllPorts {
            warnings.append("Published ports are discarded when using host network mode")
        }
    }

    private mutating func readLongForm(_ text: String) throws {
        for field in text.split(separator: ",") {
            let (key, value) = Self.pair(String(field))
            switch key.lowercased() {
            case "name": host.networkMode = value
            case "alias": host.networkAliases.append(value)
            case "ip": host.staticAddress = value
            case "mac-address": host.macAddress = value
            case "gw-priority": break
            default: throw ContainerError(.invalid, "invalid field value \(key) in --network \(text)")
            }
        }
        if host.networkMode.isEmpty { throw ContainerError(.invalid, "network name/id is not specified") }
    }

    /// docker's long form `published=8080,target=80,protocol=tcp`.
    private static func longPort(_ text: String) throws -> [PortMapping] {
        var published = ""
        var target = ""
        var transport = "tcp"
        for field in text.split(separator: ",") {
            let (key, value) = pair(String(field))
            switch key.lowercased() {
            case "published": published = value
            case "target": target = value
            case "protocol": transport = value
            case "mode": break
            default: throw ContainerError(.invalid, "invalid field key: \(key)")
            }
        }
        if target.isEmpty { throw ContainerError(.invalid, "missing mandatory field 'target'") }
        return try PortMapping.parse("\(published.isEmpty ? "" : published + ":")\(target)/\(transport)")
    }
}
