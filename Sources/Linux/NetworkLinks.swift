import CLinux
import Glibc

/// Six bytes that name a network interface on its link.
package typealias MACAddress = [UInt8]

/// Reads a hardware address as docker takes it, `02:42:ac:11:00:02`; nil where the text is none.
package func parseMACAddress(_ text: String) -> MACAddress? {
    let groups = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    let bytes = groups.compactMap { group in
        // The number's own parser takes a sign, too.
        let isHex = group.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
        return group.count == 2 && isHex ? UInt8(Substring(group), radix: 16) : nil
    }
    return groups.count == 6 && bytes.count == 6 ? bytes : nil
}

/// The network interfaces of one network namespace.
package struct NetworkLinks: ~Copyable, Sendable {
    private let socket: OwnedDescriptor

    /// The namespace of this thread.
    package init() throws(SystemError) {
        socket = OwnedDescriptor(owning: try check(clinux_netlink(), "create", "netlink socket"))
    }

    /// Whether an interface is there.
    package borrowing func has(_ name: String) -> Bool { unsafe clinux_link_index(socket.raw, name) > 0 }

    /// Whether an interface is there and up.
    package borrowing func isUp(_ name: String) -> Bool { unsafe clinux_link_is_up(socket.raw, name) > 0 }

    private borrowing func index(_ name: String) throws(SystemError) -> Int32 {
        try unsafe check(clinux_link_index(socket.raw, name), "find", "interface \(name)")
    }

    /// Makes a bridge with an address, which is not up yet; what of it is there already is fine.
    package borrowing func makeBridge(_ name: String, _ mac: MACAddress, address: UInt32, prefix: Int)
        throws(SystemError)
    {
        let result = unsafe clinux_bridge_add(socket.raw, name, mac)
        if result != -EEXIST { try check(result, "create", "bridge \(name)") }
        let added = clinux_address_add(socket.raw, try index(name), address, Int32(prefix))
        if added != -EEXIST { try check(added, "give an address to", "bridge \(name)") }
    }

    /// Brings an interface up; one that is up already is fine.
    package borrowing func bringUp(_ name: String) throws(SystemError) {
        try check(clinux_link_up(socket.raw, try index(name)), "bring up", "interface \(name)")
    }

    /// Makes a pair of interfaces: one on a bridge here, the other in another namespace.
    package borrowing func makePair(
        _ name: String, on bridge: String, peer: String, in namespace: borrowing OwnedDescriptor, _ mac: MACAddress
    ) throws(SystemError) {
        try unsafe check(
            clinux_veth_add(socket.raw, name, try index(bridge), peer, namespace.raw, mac), "create",
            "interface \(name)")
    }

    /// Brings up an interface of this namespace, with its address and the gateway as the way out; and the loopback.
    package borrowing func configure(_ name: String, address: UInt32, prefix: Int, gateway: UInt32)
        throws(SystemError)
    {
        try check(clinux_link_up(socket.raw, 1), "bring up", "loopback")
        try bringUp(name)
        let index = try index(name)
        try check(
            clinux_address_add(socket.raw, index, address, Int32(prefix)), "give an address to", "interface \(name)")
        try check(clinux_default_route_add(socket.raw, index, gateway), "make", "default route")
    }

    /// Removes an interface, a pair with both ends; one that is not there is fine.
    package borrowing func remove(_ name: String) throws(SystemError) {
        let result = unsafe clinux_link_remove(socket.raw, name)
        if result != -ENODEV { try check(result, "remove", "interface \(name)") }
    }
}
