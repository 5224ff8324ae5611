import Archive
import Testing

@Suite("Layer paths")
struct LayerPathTests {
    struct Good: CustomTestStringConvertible {
        var spelled: String
        var path: String
        var testDescription: String { String(spelled.prefix(40)) }
        init(_ spelled: String, _ path: String) { (self.spelled, self.path) = (spelled, path) }
    }

    @Test(arguments: [
        Good("etc/passwd", "etc/passwd"),
        Good("./etc/passwd", "etc/passwd"),
        Good("/etc/passwd", "etc/passwd"),  // absolute: below the layer's root, as docker unpacks it
        Good("//etc///passwd", "etc/passwd"),
        Good("etc/", "etc"),
        Good("etc/.", "etc"),
        Good("a/./b", "a/b"),
        Good("a/../b", "b"),  // climbs, but not out
        Good("a/b/../../c/..", ""),
        Good(".", ""),
        Good("./", ""),
        Good("/", ""),
        Good("...", "..."),  // an ordinary name
        Good("..a/b..", "..a/b.."),
        Good(".hidden", ".hidden"),
        Good(String(repeating: "n", count: 255), String(repeating: "n", count: 255)),
        Good(String(repeating: "abc/", count: 1023) + "abc", String(repeating: "abc/", count: 1023) + "abc"),  // 4095
        Good(String(repeating: "./", count: 4000) + "a", "a"),  // long as spelled, short as meant
    ])
    func normalises(_ row: Good) throws {
        let path = try LayerPath(Array(row.spelled.utf8))
        #expect(path.bytes == Array(row.path.utf8))
        #expect(path.isRoot == row.path.isEmpty)
        #expect(path.components.map(Array.init) == row.path.utf8.split(separator: 47).map(Array.init))
        #expect(Array(path.name) == Array(row.path.utf8.split(separator: 47).last ?? ""[...].utf8))
        #expect(Array(path.parent) == path.components.dropLast().map(Array.init).joined(separator: [47]).map(\.self))
    }

    @Test func keepsBytesThatAreNoUTF8() throws {
        let path = try LayerPath([0x2E, 0x2F, 0xFF, 0xFE, 0x2F, 0xC3])
        #expect(path.bytes == [0xFF, 0xFE, 0x2F, 0xC3])
    }

    struct Bad: CustomTestStringConvertible {
        var spelled: String
        var reason: LayerPathError.Reason
        var testDescription: String { String(spelled.prefix(40)) }
        init(_ spelled: String, _ reason: LayerPathError.Reason) { (self.spelled, self.reason) = (spelled, reason) }
    }

    @Test(arguments: [
        Bad("", .empty),
        Bad("..", .climbsOut),
        Bad("../etc/passwd", .climbsOut),
        Bad("/..", .climbsOut),  // the kernel would stay at the root; an honest archive has no such name
        Bad("a/../../b", .climbsOut),
        Bad("a/./../..", .climbsOut),
        Bad("a\0b", .holdsNUL),
        Bad(String(repeating: "n", count: 256), .nameTooLong),
        Bad(String(repeating: "abc/", count: 1024) + "d", .tooLong),
        Bad("a/.wh.", .namelessWhiteout),  // would hide `a` itself
        Bad(".wh..", .namelessWhiteout),
        Bad("a/.wh...", .namelessWhiteout),  // would hide the parent of `a`
    ])
    func refuses(_ row: Bad) throws {
        let error = #expect(throws: LayerPathError.self) { try LayerPath(Array(row.spelled.utf8)) }
        #expect(error?.reason == row.reason)
    }

    @Test func errorsNameThePath() throws {
        let error = #expect(throws: LayerPathError.self) { try LayerPath(Array("../etc/passwd".utf8)) }
        #expect(error?.description == "the path `../etc/passwd` leads out of the layer: refused")
    }

    struct Marked: CustomTestStringConvertible {
        var spelled: String
        var role: LayerPath.Role
        var testDescription: String { String(spelled.prefix(40)) }
        init(_ spelled: String, _ role: LayerPath.Role) { (self.spelled, self.role) = (spelled, role) }
    }

    @Test(arguments: [
        Marked("a/b", .entry),
        Marked("a/.wh.b", .whiteout(of: [98])),
        Marked(".wh.b", .whiteout(of: [98])),
        Marked("./.wh.b/", .whiteout(of: [98])),
        Marked(".wh.....", .whiteout(of: [46, 46, 46, 46])),  // `....` is an ordinary name
        Marked("a/.wh..wh..opq", .opaque),
        Marked(".wh..wh..opq", .opaque),
        Marked("a/.wh..wh..opqx", .ignored),
        Marked(".wh..wh.aufs", .ignored),
        Marked(".wh..wh.plnk/12.34", .ignored),  // lies in a book-keeping directory
        Marked(".wh..wh.plnk/.wh..wh..opq", .ignored),
        Marked(".wh.a/b", .entry),  // only the last name makes a whiteout, as in docker
        Marked("x.wh.b", .entry),
        Marked("a/.whatever", .entry),
        Marked(".", .entry),
    ])
    func recognisesWhiteouts(_ row: Marked) throws {
        #expect(try LayerPath(Array(row.spelled.utf8)).role == row.role)
    }
}
