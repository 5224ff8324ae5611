import Archive
import Linux
import TestSupport
import Testing

/// Whiteouts and opaque directories work where they must: in an overlay over a lower layer.
struct ErofsOverlayTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private static let lower: [Member] = [
        .file("keep", "lower"), .file("gone", "lower"), .file("dir/keep", "lower"), .file("dir/gone", "lower"),
        .file("opaque/hidden", "lower"), .file("opaque/sub/hidden", "lower"), .file("replaced/hidden", "lower"),
        .file("deleted/hidden", "lower"), .file("whole/sub/hidden", "lower"), .file("changed", "lower"),
    ]

    private static let upper: [Member] = [
        .file(".wh.gone"), .file("dir/.wh.gone"), .file("dir/new", "upper"), .file("opaque/new", "upper"),
        .file("opaque/.wh..wh..opq"), .file("opaque/sub/new", "upper"), .file(".wh.replaced"),
        .file("replaced/new", "upper"), .file(".wh.deleted"), .file("changed", "upper"),
        // Nothing of these is in the lower layer: they must not show.
        .file("only/.wh.never"), .file("only/file", "upper"), .file(".wh.never"), .file("opaque/.wh.never"),
    ]

    private static let merged = """
        changed upper
        dir/keep lower
        dir/new upper
        keep lower
        only/file upper
        opaque/new upper
        opaque/sub/new upper
        replaced/new upper
        whole/sub/hidden lower

        """

    /// `userxattr` is how containers of users without privileges mount layers.
    @Test(arguments: [false, true]) func upperHidesLower(userAttributes: Bool) throws {
        let listing = try withOverlay([Self.upper, Self.lower], userAttributes: userAttributes) { mount in
            // `find` reads directories, `cat` looks names up.
            try runShell("find . -type f | sort | while read f; do echo ${f#./} $(cat $f); done", in: mount)
        }
        #expect(listing == Self.merged)
    }

    @Test(arguments: [false, true]) func whiteoutsAreListedNowhere(userAttributes: Bool) throws {
        let listing = try withOverlay([Self.upper, Self.lower], userAttributes: userAttributes) { mount in
            try runShell("find . ! -type f ! -type d; ls -a . only opaque dir | grep never || true", in: mount)
        }
        #expect(listing == "")
    }

    /// What `ErofsSummary.isRootOpaque` says: overlayfs merges roots whatever they say.
    @Test func anOpaqueRootIsNotSeenByOverlayfs() throws {
        let top: [Member] = [.file(".wh..wh..opq"), .file("new", "upper")]
        #expect(try makeImage(top).summary.isRootOpaque)
        let listing = try withOverlay([top, Self.lower], userAttributes: false) { mount in
            try runShell("ls", in: mount)
        }
        #expect(listing.contains("keep"))
    }

    private func withOverlay<Result>(
        _ layers: [[Member]], userAttributes: Bool, _ body: (String) throws -> Result
    ) throws -> Result {
        for (index, members) in layers.enumerated() { try directory.write("layer\(index)", makeImage(members).bytes) }
        let top = try makeFileSystem("erofs", [.text("source", directory.path + "/layer0")], readOnly: true)
        let bottom = try makeFileSystem("erofs", [.text("source", directory.path + "/layer1")], readOnly: true)
        var options: [MountOption] = [.descriptor("lowerdir+", top.raw), .descriptor("lowerdir+", bottom.raw)]
        if userAttributes { options.append(.flag("userxattr")) }
        let mount = directory.path + "/merged"
        try makeDirectory(mount)
        try makeFileSystem("overlay", options, readOnly: true).attach(at: mount)
        defer { try? unmount(mount, lazily: true) }
        return try body(mount)
    }
}
