import CLinux
import Glibc

/// Root's place for a person who is not root: a user namespace in which the person is user 0 and the subordinate IDs of
/// `/etc/subuid` and `/etc/subgid` are the others, with mounts of its own.
///
/// Namespaces last as long as a process is in them, and every command of a person must see the same mounts: a process
/// that does nothing keeps them, named by `RUN/keeper`, until it is killed or the machine goes down.
package enum Rootless {
    /// Why it cannot be entered, with the remedy.
    package struct Failure: Error, CustomStringConvertible {
        package var description: String
        package var hint: String
    }

    /// Enters the namespaces where the process is not root. Call it first of all: a process of several threads cannot.
    ///
    /// - Parameter runDirectory: of the person's own.
    package static func enter(runDirectory: String) throws {
        let user = geteuid()
        if user == 0 { return }
        try makeDirectories(runDirectory, permissions: 0o700)
        let path = runDirectory + "/keeper"
        let lock = try FileLock.wait(runDirectory + "/keeper.lock", .exclusive)
        defer { withExtendedLifetime(lock) {} }
        if let keeper = keeper(path), try join(keeper) { return }
        let keeper = try startKeeper(user: user, group: getegid())
        try writeAtomically(Array("\(keeper.processID) \(keeper.startTime)".utf8), to: path, permissions: 0o600)
        if try !join(keeper) {
            throw Failure(
                description: "the namespaces of this user vanished while they were entered", hint: "try again")
        }
    }

    private static func keeper(_ path: String) -> ProcessIdentity? {
        guard let bytes = try? readFile(path, limit: 64) else { return nil }
        let words = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard words.count == 2, let process = Int32(words[0]), let keeper = ProcessIdentity(of: process),
            UInt64(words[1]) == keeper.startTime
        else { return nil }
        return keeper
    }

    private static func join(_ keeper: ProcessIdentity) throws -> Bool {
        guard keeper.isAlive else { return false }
        try check(
            clinux_join_user_and_mounts(keeper.processID), "enter the namespaces of", "process \(keeper.processID)")
        return true
    }

    private static func startKeeper(user: UInt32, group: UInt32) throws -> ProcessIdentity {
        let ready = try Pipe()
        let go = try Pipe()
        let process = try check(
            clinux_fork_namespace_keeper(ready.writeEnd.raw, go.readEnd.raw), "fork", "namespace keeper")
        let answers = OwnedDescriptor(owning: ready.takeReadEnd())
        let starter = go.takeWriteEnd()
        do {
            try expectReady(answers)
            let name = userName(user)
            try map("newuidmap", process, own: user, ranges: try ranges("/etc/subuid", user, name))
            try map("newgidmap", process, own: group, ranges: try ranges("/etc/subgid", user, name))
            try writeAll([0], to: starter.raw, "namespace keeper")
            try expectReady(answers)
        } catch {
            kill(process, SIGKILL)
            var code: Int32 = 0
            _ = unsafe clinux_wait(process, &code)
            throw error
        }
        guard let keeper = ProcessIdentity(of: process) else {
            throw Failure(description: "the namespace keeper ended at once", hint: "try again")
        }
        return keeper
    }

    private static func expectReady(_ answers: borrowing OwnedDescriptor) throws {
        let answer = try readSome(from: answers.raw, upTo: 1, "namespace keeper")
        if answer == [0] { return }
        throw Failure(
            description: "cannot create a user namespace"
                + (answer.first.map { ": \(SystemError(errno: Int32($0), operation: "", subject: "").reason)" } ?? ""),
            hint: "run as root, or allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1 "
                + "user.max_user_namespaces=10000`; with AppArmor also `kernel.apparmor_restrict_unprivileged_userns=0`"
        )
    }

    /// Maps 0 to the person and what follows to the subordinate IDs.
    private static func map(_ tool: String, _ process: Int32, own: UInt32, ranges: [IDRange]) throws {
        guard
            let path = ["/usr/bin/", "/bin/", "/usr/local/bin/"].map({ $0 + tool }).first(where: {
                unsafe access($0, X_OK) == 0
            })
        else { throw Failure(description: "\(tool) is not installed", hint: "apt-get install uidmap") }
        var arguments = ["\(process)", "0", "\(own)", "1"]
        var next: UInt32 = 1
        for range in ranges {
            arguments += ["\(next)", "\(range.first)", "\(range.count)"]
            next += range.count
        }
        let result = try runProgram(path, arguments, environment: ["PATH=/usr/bin:/bin"])
        if result.code != 0 {
            throw Failure(description: "\(tool) failed: \(result.message)", hint: "look at /etc/subuid and /etc/subgid")
        }
    }

    /// Subordinate IDs.
    struct IDRange: Equatable {
        var first: UInt32
        var count: UInt32
    }

    private static func ranges(_ path: String, _ user: UInt32, _ name: String) throws -> [IDRange] {
        let text = (try? readFile(path, limit: 16 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let found = parse(text, user: user, name: name)
        if found.isEmpty {
            throw Failure(
                description: "no subordinate IDs for user \(name) in \(path)",
                hint: "as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \(name)`")
        }
        return found
    }

    /// The ranges of a user in `name:first:count` lines.
    static func parse(_ text: String, user: UInt32, name: String) -> [IDRange] {
        var total: UInt64 = 1
        return text.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count == 3, fields[0] == name || fields[0] == "\(user)", let first = UInt32(fields[1]),
                let count = UInt32(fields[2]), count > 0, !first.addingReportingOverflow(count).overflow
            else { return nil }
            total += UInt64(count)
            return total <= UInt64(UInt32.max) ? IDRange(first: first, count: count) : nil
        }
    }

    /// The user's name in `/etc/passwd`; the number where it has none there.
    private static func userName(_ user: UInt32) -> String {
        let text = (try? readFile("/etc/passwd", limit: 16 << 20)).map { String(decoding: $0, as: UTF8.self) } ?? ""
        for line in text.split(separator: "\n") {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            if fields.count > 2, fields[2] == "\(user)" { return String(fields[0]) }
        }
        return "\(user)"
    }
}
