import Linux

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A volume: a directory that outlives containers.
package struct Volume: Sendable, Equatable, Codable {
    package var name: String
    /// Nanoseconds since 1970.
    package var created: Int64
    package var labels: [String: String]
    /// Made for one container and named by us.
    package var isAnonymous: Bool

    package init(name: String, created: Int64, labels: [String: String] = [:], isAnonymous: Bool = false) {
        self.name = name
        self.created = created
        self.labels = labels
        self.isAnonymous = isAnonymous
    }
}

/// The volumes' files: `ROOT/volumes/<name>/` holds `_data` and `volume.json`; it appears and goes by one rename.
package struct VolumeStore: Sendable {
    private let directory: String

    package init(root: String) throws {
        directory = root + "/volumes"
        try makeDirectories(directory, permissions: 0o711)
    }

    /// Where a volume's files are.
    package func dataPath(_ name: String) -> String { "\(directory)/\(name)/_data" }

    /// Makes a volume; one that is there is fine.
    @discardableResult
    package func create(_ name: String, labels: [String: String] = [:], isAnonymous: Bool = false) throws -> Volume {
        let name = try VolumeName.parse(name)
        if let there = try volume(name) { return there }
        let volume = Volume(name: name, created: wallClockNanoseconds(), labels: labels, isAnonymous: isAnonymous)
        let staged = "\(directory)/.new-\(uniqueSuffix())"
        do {
            try makeDirectory(staged, permissions: 0o701)
            try makeDirectory(staged + "/_data", permissions: 0o755)
            try writeAtomically(Array(try JSONEncoder().encode(volume)), to: staged + "/volume.json")
            try syncDirectory(staged)
            try renameNew(staged, to: "\(directory)/\(name)")
        } catch let error as SystemError {
            try removeTree(staged)
            // Another process was faster: its volume is as good.
            if error.kind == .exists, let there = try self.volume(name) { return there }
            throw error
        }
        try syncDirectory(directory)
        return volume
    }

    package func volume(_ name: String) throws -> Volume? {
        guard ContainerName.isValid(name) else { return nil }
        let bytes: [UInt8]
        do { bytes = try readFile("\(directory)/\(name)/volume.json", limit: 1 << 20) } catch {
            if error.kind == .notFound { return nil }
            throw error
        }
        return try JSONDecoder().decode(Volume.self, from: Data(bytes))
    }

    /// All volumes by name.
    package func list() throws -> [Volume] {
        try (names(in: directory) ?? []).filter { !$0.hasPrefix(".") }.compactMap { try volume($0) }
    }

    /// Held shared while a container that mounts volumes is made, exclusively while volumes are removed.
    func lock(_ mode: FileLock.Mode) throws -> FileLock { try FileLock.wait(directory + "/.lock", mode) }

    /// Removes a volume that nothing uses: whether something does is the caller's to know.
    func remove(_ name: String) throws {
        let doomed = "\(directory)/.removed-\(uniqueSuffix())"
        do { try rename("\(directory)/\(name)", to: doomed) } catch {
            if error.kind == .notFound { return }
            throw error
        }
        try syncDirectory(directory)
        try removeTree(doomed)
    }

    func removeLeftovers() throws {
        for name in try names(in: directory) ?? [] where name.hasPrefix(".removed-") || name.hasPrefix(".new-") {
            try removeTree("\(directory)/\(name)")
        }
    }
}
