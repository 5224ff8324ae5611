import Linux
import TestSupport
import Testing

struct FileTests {
    private let directory: TemporaryDirectory
    private var root: String { directory.path }

    init() throws { directory = try TemporaryDirectory() }

    @Test func anAtomicWriteReplacesAndLeavesNothingElse() throws {
        try writeAtomically(Array("one".utf8), to: root + "/file")
        try writeAtomically(Array("two".utf8), to: root + "/file", permissions: 0o600)
        #expect(try readFile(root + "/file", limit: 100) == Array("two".utf8))
        #expect(try names(in: root) == ["file"])
        #expect(try FileStatus(of: root + "/file").mode == 0o600)
    }

    @Test func aFailedAtomicWriteLeavesNoStagedFile() throws {
        try makeDirectories(root + "/taken/inside")
        let error = #expect(throws: SystemError.self) { try writeAtomically([1], to: root + "/taken") }
        #expect(error?.subject.contains("taken") == true)
        #expect(try names(in: root) == ["taken"])
    }

    @Test func aFileOverTheLimitIsNotRead() throws {
        try directory.write("big", [UInt8](repeating: 0, count: 200_000))
        let error = #expect(throws: SystemError.self) { try readFile(root + "/big", limit: 100_000) }
        #expect(error?.operation == "read")
    }

    /// What was taken ahead is there while the file grows, and gone when its length is set; a hole stays one.
    @Test func roomTakenAheadIsGivenBack() throws {
        let path = root + "/file"
        let file = try Linux.open(path, .createNew)
        let piece = [UInt8](repeating: 7, count: 128 << 10)
        let (hole, size) = (Int64(3 << 20)..<Int64(5 << 20), Int64(9 << 20))
        var room = Preallocation()
        var position: Int64 = 0
        while position < size {
            if position == hole.lowerBound {
                room.release(from: position, count: Int64(hole.count), of: file)
                position = hole.upperBound
            }
            let end = position + Int64(piece.count)
            room.cover(offset: position, end: end, of: file)
            try piece.withUnsafeBytes { try pwriteAll($0, to: file.raw, at: position, path) }
            position = end
        }
        try sync(file, path)
        let grown = try FileStatus(of: path)
        #expect(grown.size == size && grown.allocated > size - Int64(hole.count) + 1 << 20, "\(grown.allocated)")
        try setLength(size, of: file, path)
        try sync(file, path)
        let trimmed = try FileStatus(of: path)
        #expect(
            trimmed.size == size && trimmed.allocated <= size - Int64(hole.count) + 256 << 10, "\(trimmed.allocated)")
        #expect(trimmed.allocated >= size - Int64(hole.count))
        #expect(try nextData(in: file, from: hole.lowerBound, path)?.lowerBound == hole.upperBound)
    }

    @Test func missingThingsAreTold() throws {
        let error = #expect(throws: SystemError.self) { _ = try Linux.open(root + "/nosuch", .read) }
        #expect(error?.kind == .notFound)
        #expect(error?.description == "cannot open `\(root)/nosuch`: no such file or directory")
        #expect(try names(in: root + "/nosuch") == nil)
        #expect(try FileStatus.ifExists(root + "/nosuch") == nil)
    }

    @Test func aTreeIsRemovedWithoutFollowingLinks() throws {
        try directory.write("keep/file", [1])
        try makeDirectories(root + "/tree/a/b/c")
        try directory.write("tree/a/file", [1])
        _ = try runShell(
            "ln -s '\(root)/keep' '\(root)/tree/a/link' && mkfifo '\(root)/tree/pipe' && chmod 000 '\(root)/tree/a/b'")
        try removeTree(root + "/tree")
        #expect(try names(in: root) == ["keep"])
        #expect(try names(in: root + "/keep") == ["file"])
        try removeTree(root + "/tree")
    }

    @Test func aDeepTreeIsRemoved() throws {
        _ = try runShell("mkdir deep && cd deep && for n in $(seq 600); do mkdir d && cd d; done", in: root)
        try removeTree(root + "/deep")
        #expect(try names(in: root) == [])
    }

    /// A path of an image is opened inside the root, whatever its links say.
    @Test(arguments: ["escape/passwd", "absolute/passwd", "../../../../etc/passwd", "/etc/passwd"])
    func linksStayInsideTheRoot(_ path: String) throws {
        try directory.write("outside/passwd", Array("outside".utf8))
        try directory.write("root/etc/passwd", Array("inside".utf8))
        _ = try runShell("ln -s ../../outside root/escape && ln -s '\(root)/outside' root/absolute", in: root)
        let inside = try Linux.open(root + "/root", .directory)
        do {
            let file = try Linux.open(path, .read, inside: inside)
            #expect(try readSome(from: file.raw, upTo: 100) == Array("inside".utf8))
        } catch {
            #expect(error.kind == .notFound)
        }
    }

    @Test func attributesAndTimesAreSetOnLinksThemselves() throws {
        try directory.write("file", [1])
        _ = try runShell("ln -s file link", in: root)
        try setTime(1_000_000_000, 123_456_789, of: root + "/link")
        let link = try FileStatus(of: root + "/link")
        #expect(link.kind == .symbolicLink)
        #expect(link.mtimeSeconds == 1_000_000_000 && link.mtimeNanoseconds == 123_456_789)
        #expect(try FileStatus(of: root + "/file").mtimeSeconds != 1_000_000_000)
        try setAttribute("trusted.strata", [0, 1, 255], of: root + "/link")
        #expect(try attribute("trusted.strata", of: root + "/link") == [0, 1, 255])
        #expect(try attribute("trusted.strata", of: root + "/file") == nil)
        #expect(try attributeNames(of: root + "/link") == ["trusted.strata"])
    }

    @Test func theSizeOfATreeCountsAHardLinkOnce() throws {
        try directory.write("tree/file", [UInt8](repeating: 1, count: 1 << 20))
        let once = try allocatedBytes(of: root + "/tree")
        _ = try runShell("ln tree/file tree/again", in: root)
        #expect(try allocatedBytes(of: root + "/tree") == once)
        #expect(once >= 1 << 20)
    }

    /// As a client and conmon's clean-up do with an exec's directory.
    @Test func twoMayRemoveOneTree() async throws {
        let directory = try TemporaryDirectory()
        let tree = directory.path + "/tree"
        for _ in 0..<200 {
            for number in 0..<4 { try makeDirectories("\(tree)/\(number)/inner") }
            async let other: Void = onThread(named: "remover") { try removeTree(tree) }
            try removeTree(tree)
            try await other
            #expect(try FileStatus.ifExists(tree) == nil)
        }
    }
}
