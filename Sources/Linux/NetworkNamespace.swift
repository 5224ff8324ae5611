import CLinux
import Glibc

/// Makes a network namespace that stays for as long as a file is mounted over by it. Blocks the thread.
///
/// - Parameter path: an empty file; unmount it to let the namespace go.
package func makeNetworkNamespace(at path: String) throws {
    // A thread that moved to another namespace cannot be used for anything else.
    try BackgroundWork(named: "netns") {
        try check(clinux_new_network_namespace(), "create", "network namespace")
        try cloneMount(at: "/proc/thread-self/ns/net").attach(at: path)
    }.value()
}

/// Works in a network namespace. Blocks the thread.
package func inNetworkNamespace(_ namespace: Int32, _ body: @escaping @Sendable () throws -> Void) throws {
    try BackgroundWork(named: "netns") {
        try check(clinux_join_network_namespace(namespace), "enter", "network namespace")
        try body()
    }.value()
}

/// What this process may do, as the kernel says: bit N is capability N.
package func capabilitySets() -> (effective: UInt64, bounding: UInt64) {
    var effective: UInt64 = 0
    var bounding: UInt64 = 0
    guard unsafe clinux_capabilities(&effective, &bounding) == 0 else { return (0, 0) }
    return (effective, bounding)
}

/// Soft and hard limit of a resource, by the kernel's number; `.max` is unlimited.
package func resourceLimit(_ resource: Int32) -> (soft: UInt64, hard: UInt64) {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    guard unsafe clinux_hard_limit(resource, &soft, &hard) == 0 else { return (.max, .max) }
    return (soft, hard)
}

/// Raises a resource's soft limit of this process to the hard one, as servers do for their descriptors; children inherit it.
///
/// - Parameter resource: by the kernel's number.
package func raiseSoftLimit(_ resource: Int32) throws(SystemError) {
    try check(clinux_raise_soft_limit(resource), "raise", "resource limit \(resource)")
}
