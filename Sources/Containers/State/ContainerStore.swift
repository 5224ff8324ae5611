import Glibc
import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The containers' files.
///
/// ```
/// ROOT/containers/<id>/   config.json state.json lock waiters container.log upper/ work/ persist/ hosts hostname resolv.conf
/// ROOT/containers/names/  <name> → <id>; true only where that container's config says the same name
/// RUN/containers/<id>/    the bundle, conmon's sockets, mount points; a reboot drops it
/// ```
///
/// A container is there when its directory is, which appears complete by one rename and goes by one rename. `lock` is held
/// by whoever changes the container or its state; `names/.lock` by whoever gives or takes a name.
package struct ContainerStore: Sendable {
    package let root: String
    package let runDirectory: String

    package init(root: String, runDirectory: String) throws {
        self.root = root
        self.runDirectory = runDirectory
        try makeDirectories("\(root)/containers/names", permissions: 0o711)
        try makeDirectories("\(runDirectory)/containers", permissions: 0o711)
        try makeDirectories("\(runDirectory)/runtime", permissions: 0o700)
    }

    package func directory(_ id: ContainerID) -> String { "\(root)/containers/\(id)" }
    package func runDirectory(_ id: ContainerID) -> String { "\(runDirectory)/containers/\(id)" }
    package func logPath(_ id: ContainerID) -> String { directory(id) + "/container.log" }
    func persistDirectory(_ id: ContainerID) -> String { directory(id) + "/persist" }
    func rootPath(_ id: ContainerID) -> String { runDirectory(id) + "/rootfs" }
    var runtimeRoot: String { "\(runDirectory)/runtime" }
    private var names: String { "\(root)/containers/names" }

    // MARK: Finding

    /// All containers that are here, unsorted.
    package func list() throws -> [ContainerID] {
        try (Linux.names(in: "\(root)/containers") ?? []).compactMap { ContainerID($0) }
    }

    /// Finds a container by its ID, its name, or a part of its ID that begins only one, in docker's order.
    package func find(_ text: String) throws -> ContainerID {
        if let id = ContainerID(text), try exists(id) { return id }
        let name = text.hasPrefix("/") ? String(text.dropFirst()) : text
        if ContainerName.isValid(name), let id = try owner(of: name) { return id }
        if !text.isEmpty, text.utf8.allSatisfy(ContainerID.isDigit) {
            let found = try list().filter { $0.hex.hasPrefix(text) }
            if found.count > 1 {
                throw ContainerError(.invalid, "multiple IDs found with provided prefix: \(text)")
            }
            if let id = found.first { return id }
        }
        throw ContainerError(.notFound, "No such container: \(text)")
    }

    func exists(_ id: ContainerID) throws -> Bool { try FileStatus.ifExists(directory(id)) != nil }

    /// The container that has a name.
    private func owner(of name: String) throws -> ContainerID? {
        guard let target = try? readLink("\(names)/\(name)"), let id = ContainerID(target) else { return nil }
        guard let record = try? self.record(id), record.name == name else { return nil }
        return id
    }

    package func record(_ id: ContainerID) throws -> ContainerRecord {
        try decode(ContainerRecord.self, directory(id) + "/config.json", of: id)
    }

    func state(_ id: ContainerID) throws -> ContainerState {
        do { return try decode(ContainerState.self, directory(id) + "/state.json", of: id) } catch let error
            as ContainerError
        {
            if error.code == .notFound { throw error }
            // Written without waiting for the disk, and the machine went down: it ran, more is not known.
            var state = ContainerState()
            state.phase = .exited
            state.exitCode = ContainerState.unknownExitCode
            state.error = "the container's state was lost when the machine went down"
            return state
        }
    }

    private func decode<Value: Decodable>(_ type: Value.Type, _ path: String, of id: ContainerID) throws -> Value {
        let bytes: [UInt8]
        do { bytes = try readFile(path, limit: 16 << 20) } catch {
            if error.kind == .notFound { throw ContainerError(.notFound, "No such container: \(id)") }
            throw error
        }
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw ContainerError(
                .failed, "`\(path)` is damaged: \(error)", hint: "`strata rm -f \(id.short)` removes the container")
        }
    }

    // MARK: Writing

    /// Makes a container's files, its name claimed: durable unless it is to go with the machine anyway.
    ///
    /// - Parameter name: nil makes one up.
    func create(_ record: ContainerRecord, name: String?) throws -> ContainerRecord {
        var record = record
        let isDurable = !record.hostConfig.autoRemove
        let staged = "\(root)/containers/.new-\(record.id)"
        let lock = try FileLock.wait("\(names)/.lock", .exclusive)
        defer { withExtendedLifetime(lock) {} }
        if let name {
            if let owner = try owner(of: name) { throw Self.conflict(name, owner) }
            record.name = name
        } else {
            var attempt = 0
            repeat {
                record.name = ContainerName.random(attempt: attempt)
                attempt += 1
            } while try owner(of: record.name) != nil
        }
        do {
            try makeDirectory(staged, permissions: 0o710)
            for name in ["upper", "work", "persist"] { try makeDirectory("\(staged)/\(name)", permissions: 0o755) }
            try write(record, to: staged + "/config.json", durable: isDurable)
            try write(ContainerState(), to: staged + "/state.json", durable: isDurable)
            try replaceLink("\(names)/\(record.name)", to: record.id.hex)
            Failpoint.reach("container-staged")
            try Linux.rename(staged, to: directory(record.id))
            Failpoint.reach("container-created")
            if isDurable {
                try syncDirectory("\(root)/containers")
                try syncDirectory(names)
            }
        } catch {
            try? removeTree(staged)
            throw error
        }
        return record
    }

    static func conflict(_ name: String, _ owner: ContainerID) -> ContainerError {
        ContainerError(
            .conflict,
            "Conflict. The container name \"/\(name)\" is already in use by container \"\(owner)\". You have to remove (or "
                + "rename) that container to be able to reuse that name.")
    }

    /// Gives a container another name. The caller holds its lock.
    func rename(_ record: ContainerRecord, to name: String) throws {
        let lock = try FileLock.wait("\(names)/.lock", .exclusive)
        defer { withExtendedLifetime(lock) {} }
        if record.name == name {
            throw ContainerError(.invalid, "Renaming a container with the same name as its current name")
        }
        if let owner = try owner(of: name) { throw Self.conflict(name, owner) }
        var changed = record
        changed.name = name
        // Until the config says so the new name points to a container that denies it: free.
        try replaceLink("\(names)/\(name)", to: record.id.hex)
        try write(changed, to: directory(record.id) + "/config.json", durable: true)
        try removeFile("\(names)/\(record.name)")
        try syncDirectory(names)
    }

    /// Writes a container's config. The caller holds its lock.
    func save(_ record: ContainerRecord) throws {
        try write(record, to: directory(record.id) + "/config.json", durable: true)
    }

    /// Writes a container's state. The caller holds its lock.
    func save(_ state: ContainerState, of id: ContainerID, durable: Bool) throws {
        try write(state, to: directory(id) + "/state.json", durable: durable)
    }

    private func write(_ value: some Encodable, to path: String, durable: Bool) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try writeAtomically(Array(try encoder.encode(value)), to: path, permissions: 0o600, durable: durable)
    }

    /// Takes a container's files away, name first. The caller holds its lock and left nothing mounted.
    func remove(_ id: ContainerID) throws {
        let doomed = "\(root)/containers/.removed-\(id)"
        do {
            let lock = try FileLock.wait("\(names)/.lock", .exclusive)
            defer { withExtendedLifetime(lock) {} }
            if let record = try? record(id), try owner(of: record.name) == id {
                try removeFile("\(names)/\(record.name)")
            }
            try Linux.rename(directory(id), to: doomed)
        }
        Failpoint.reach("container-doomed")
        try removeTree(doomed)
    }

    /// Removes what processes that died left of containers that were not yet, or no longer, there.
    func removeLeftovers() throws {
        let lock = try FileLock.wait("\(names)/.lock", .exclusive)
        defer { withExtendedLifetime(lock) {} }
        for name in try Linux.names(in: "\(root)/containers") ?? [] {
            if name.hasPrefix(".removed-") || name.hasPrefix(".new-") { try removeTree("\(root)/containers/\(name)") }
        }
        for name in try Linux.names(in: names) ?? [] where name != ".lock" {
            if try owner(of: name) == nil { try removeFile("\(names)/\(name)") }
        }
    }

    // MARK: Locks

    /// Waits for the right to change a container. Blocks the thread.
    func lock(_ id: ContainerID) throws -> FileLock { try locked(id, "lock") { try FileLock.wait($0, .exclusive) } }

    /// The right to change a container; nil where another process has it.
    func tryLock(_ id: ContainerID) throws -> FileLock? {
        let path = directory(id) + "/lock"
        guard try exists(id) else { throw ContainerError(.notFound, "No such container: \(id)") }
        return try FileLock.tryLock(path, .exclusive)
    }

    /// Keeps the container's files from going with `--rm` before its exit code was read.
    func lockWaiters(_ id: ContainerID, _ mode: FileLock.Mode) throws -> FileLock {
        try locked(id, "waiters") { try FileLock.wait($0, mode) }
    }

    private func locked(_ id: ContainerID, _ name: String, _ take: (String) throws -> FileLock) throws -> FileLock {
        do {
            let lock = try take("\(directory(id))/\(name)")
            // It may have been removed while we waited; an ID is never used again.
            if try exists(id) { return lock }
        } catch let error as SystemError {
            if error.kind != .notFound { throw error }
        }
        throw ContainerError(.notFound, "No such container: \(id)")
    }
}

extension ContainerState {
    /// What is shown as exit code where none could be had: docker's, too.
    package static let unknownExitCode: Int32 = 255
}
