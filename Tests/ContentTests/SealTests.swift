import Content
import Linux
import OCI
import TestSupport
import Testing

/// A seal tells that a file was not written to since it was verified, without reading it.
struct SealTests {
    private let directory: TemporaryDirectory
    private let store: BlobStore
    private let digest = Digest.sha256(of: [1, 2, 3])

    init() throws {
        directory = try TemporaryDirectory()
        store = try BlobStore(root: directory.path)
        try store.put([1, 2, 3], as: digest)
    }

    private var file: String { store.path(of: digest) }
    private var seal: String { "\(directory.path)/seals/sha256-\(digest.hex)" }

    @Test func anUntouchedBlobIsTrusted() throws {
        let before = try FileSeal(of: seal)
        try store.checkSeal(digest)
        #expect(try FileSeal(of: seal) == before, "nothing was read, nothing was written")
    }

    struct Touch: Sendable {
        var script: String
        var isDamage: Bool
        var why: String
    }

    @Test(arguments: [
        Touch(script: "printf X | dd of=$F bs=1 conv=notrunc status=none", isDamage: true, why: "a byte was written"),
        Touch(
            script: "t=$(stat -c %y $F); printf X | dd of=$F bs=1 conv=notrunc status=none; touch -d \"$t\" $F",
            isDamage: true, why: "mtime can be set back, ctime cannot"),
        Touch(script: "printf X >> $F", isDamage: true, why: "a byte more"),
        Touch(script: "truncate -s 2 $F", isDamage: true, why: "a byte less"),
        Touch(script: "cp $F $F.new && mv $F.new $F", isDamage: false, why: "another file with the same bytes"),
        Touch(script: "touch $F", isDamage: false, why: "the same bytes, another time"),
        Touch(script: "rm $S", isDamage: false, why: "the seal was lost"),
        Touch(script: "printf garbage > $S", isDamage: false, why: "the seal is damaged, not the blob"),
        Touch(script: "ln $F $F.link && rm $F.link", isDamage: false, why: "ctime changed, the bytes did not"),
    ])
    func aTouchedBlobIsReadAgain(_ touch: Touch) throws {
        _ = try runShell("F='\(file)'; S='\(seal)'; \(touch.script)")
        if touch.isDamage {
            #expect(throws: BlobError.self, "\(touch.why)") { try store.checkSeal(digest) }
            #expect(throws: BlobError.self, "\(touch.why): it stays damaged") { try store.checkSeal(digest) }
        } else {
            try store.checkSeal(digest)
            let renewed = try FileSeal(of: seal)
            try store.checkSeal(digest)
            #expect(try FileSeal(of: seal) == renewed, "\(touch.why): it is read once, then sealed again")
        }
    }

    @Test func aMissingBlobIsNotFound() throws {
        try store.remove(digest)
        #expect(throws: BlobError.notFound(digest)) { try store.checkSeal(digest) }
        #expect(try FileStatus.ifExists(seal) == nil, "the seal went with it")
    }
}
