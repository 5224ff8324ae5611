import Archive
import Linux
import TestSupport
import Testing

/// The kernel and erofs-utils read what the writer makes.
struct ErofsKernelTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func aSmallLayerMounts() throws {
        let (bytes, summary) = try makeImage([
            .directory("./", mode: 0o700), .file("a/b/c", "hello"), .symbolicLink("l", to: "a/b"),
            .hardLink("a/h", to: "a/b/c"), .file(".wh.gone"), .file("a/.wh..wh..opq"), .directory("a", mode: 0o750),
        ])
        #expect(summary.entryCount == 6)
        #expect(summary.fileBytes == 5)
        try directory.write("image", bytes)
        #expect(try runShell("fsck.erofs -d3 image 2>&1", in: directory.path).contains("No errors found"))
        try withMount(directory.path + "/image", at: directory.path + "/mount") { mount in
            let listing = try runShell("find . -printf '%P %y %m %n %s %l\\n' | sort", in: mount)
            #expect(
                listing == """
                     d 700 3 69\u{20}
                    a d 750 3 53\u{20}
                    a/b d 755 2 40\u{20}
                    a/b/c f 644 2 5\u{20}
                    a/h f 644 2 5\u{20}
                    gone c 0 1 0\u{20}
                    l l 777 1 3 a/b

                    """)
            #expect(try runShell("cat a/b/c", in: mount) == "hello")
            #expect(try attribute("trusted.overlay.opaque", of: mount + "/a") == [UInt8(ascii: "y")])
            #expect(try attribute("trusted.overlay.origin", of: mount) == [])
        }
    }
}
