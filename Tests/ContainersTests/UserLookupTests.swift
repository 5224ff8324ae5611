import Containers
import Testing

@Suite struct UserLookupTests {
    private static let passwd = """
        root:x:0:0:root:/root:/bin/sh
        # a comment
        mail:x:8:12:mail:/var/mail:/bin/false

        app:x:1000:1001:App:/home/app:/bin/sh
        broken
        nohome:x:77:78:::/bin/sh
        100:x:500:501:a name of digits:/home/hundred:/bin/sh
        """
    private static let group = """
        root:x:0:
        mail:x:12:app
        app:x:1001:
        extra:x:2000:app,mail
        4000:x:4001:
        """

    struct Case: Sendable, CustomTestStringConvertible {
        var text: String
        var uid: UInt32
        var gid: UInt32
        var groups: [UInt32]
        var home: String
        var testDescription: String { text }
    }

    @Test(arguments: [
        Case(text: "", uid: 0, gid: 0, groups: [0], home: "/root"),
        Case(text: "0", uid: 0, gid: 0, groups: [0], home: "/root"),
        Case(text: "app", uid: 1000, gid: 1001, groups: [1001, 12, 2000], home: "/home/app"),
        // A number that the file knows is that user, groups and all.
        Case(text: "1000", uid: 1000, gid: 1001, groups: [1001, 12, 2000], home: "/home/app"),
        // One that it does not know is in group 0, as docker has it.
        Case(text: "4242", uid: 4242, gid: 0, groups: [0], home: "/"),
        // A chosen group replaces the supplementary ones.
        Case(text: "app:mail", uid: 1000, gid: 12, groups: [12], home: "/home/app"),
        Case(text: "app:2000", uid: 1000, gid: 2000, groups: [2000], home: "/home/app"),
        Case(text: "4242:4243", uid: 4242, gid: 4243, groups: [4243], home: "/"),
        Case(text: ":mail", uid: 0, gid: 12, groups: [12], home: "/root"),
        Case(text: "nohome", uid: 77, gid: 78, groups: [78], home: "/"),
        // Names go before numbers.
        Case(text: "100", uid: 500, gid: 501, groups: [501], home: "/home/hundred"),
        Case(text: "app:4000", uid: 1000, gid: 4001, groups: [4001], home: "/home/app"),
    ])
    func resolvesAsDockerDoes(_ test: Case) throws {
        let user = try ResolvedUser(
            parsing: test.text, passwd: Array(Self.passwd.utf8), group: Array(Self.group.utf8))
        #expect(user == ResolvedUser(uid: test.uid, gid: test.gid, groups: test.groups, home: test.home))
    }

    @Test(arguments: [
        ("nosuch", "unable to find user nosuch: no matching entries in passwd file"),
        ("app:nosuch", "unable to find group nosuch: no matching entries in group file"),
        // Beyond what the kernel takes for a user.
        ("4294967296", "unable to find user 4294967296: no matching entries in passwd file"),
        ("-1", "unable to find user -1: no matching entries in passwd file"),
    ])
    func refusesUnknownNames(_ text: String, _ message: String) {
        let error = #expect(throws: ContainerError.self) {
            try ResolvedUser(parsing: text, passwd: Array(Self.passwd.utf8), group: Array(Self.group.utf8))
        }
        #expect(error?.message == message)
    }

    @Test func addedGroupsComeLast() throws {
        let user = try ResolvedUser(
            parsing: "app", additionalGroups: ["99", "mail", "extra"], passwd: Array(Self.passwd.utf8),
            group: Array(Self.group.utf8))
        #expect(user.groups == [1001, 12, 2000, 99])
    }

    @Test func worksWithoutAccountFiles() throws {
        #expect(try ResolvedUser(parsing: "", passwd: [], group: []) == ResolvedUser(groups: [0]))
        #expect(try ResolvedUser(parsing: "5:6", passwd: [], group: []) == ResolvedUser(uid: 5, gid: 6, groups: [6]))
    }
}
