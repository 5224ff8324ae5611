import Linux
import TestSupport
import Testing

/// An ordinary user of this machine: subordinate IDs of its own, no privilege, a home.
@Suite struct ContainerRootlessTests {
    /// The user's home and run directory, the program, and the image as `box.tar`.
    private func home() throws -> TemporaryDirectory {
        let directory = try TemporaryDirectory()
        try directory.write("passwd", Array("root:x:0:0:root:/root:/bin/sh\nplain:x:4000:4000::/:/bin/sh\n".utf8))
        for name in ["subuid", "subgid"] { try directory.write(name, Array("plain:100000:65536\n".utf8)) }
        try ContainerStage.writeImage(to: directory)
        _ = try runShell(
            "chmod 755 . && mkdir home run && chown 4000:4000 home run && cp '\(StrataProcess.binary)' strata",
            in: directory.path)
        return directory
    }

    /// Runs a script as a user that only a mount namespace of its own knows.
    ///
    /// - Parameter hiding: programs that are not installed there.
    private func asUser(_ directory: TemporaryDirectory, hiding: [String] = [], _ script: String) throws -> String {
        try directory.write("script", Array(script.utf8), mode: 0o755)
        return try runShell(
            """
            unshare -m sh -c 'for file in passwd subuid subgid; do
                touch /etc/$file; mount --bind \(directory.path)/$file /etc/$file || exit 1
            done
            for program in \(hiding.joined(separator: " ")); do
                mount --bind \(directory.path)/passwd $(command -v $program) || exit 1
            done
            mkdir -p /dev/net && mount -t tmpfs none /dev/net && mknod -m 666 /dev/net/tun c 10 200 || exit 1
            exec setpriv --reuid 4000 --regid 4000 --clear-groups env -i PATH="$PATH" HOME=\(directory.path)/home \
                XDG_RUNTIME_DIR=\(directory.path)/run SWIFT_BACKTRACE=enable=no sh ./script' 2>&1
            """, in: directory.path)
    }

    @Test func aUserRunsContainers() throws {
        let directory = try home()
        let output = try asUser(
            directory,
            """
            set -e
            trap 'kill $(cut -d" " -f1 run/strata/keeper)' EXIT
            ./strata image load -q -i box.tar
            box=localhost/box:latest
            ./strata run --rm --network none $box sh -c 'id -u; tr -s " " < /proc/self/uid_map; chown 5:6 /data/seed; stat -c %u:%g /data/seed'
            ./strata run --rm --network host -u app $box id -un
            ./strata run -d --network none --name long -v kept:/data $box sleep 1000 > /dev/null
            ./strata ps --format '{{.Names}} {{.State}}'
            ./strata exec long sh -c 'cat /data/seed; rm /data/seed; echo new > /made'
            ./strata exec -u app long id -u
            ./strata pause long || echo "pause $?"
            ./strata diff long
            ./strata commit long made:1 > /dev/null
            ./strata run --rm --network none made:1 sh -c 'cat /made /data/seed'
            ./strata rm -f long
            ./strata system check -q && ./strata ps -aq && echo clean
            """)
        let lines = output.split(separator: "\n").map(String.init)
        #expect(lines.first == "Loaded image: localhost/box:latest", "\(output)")
        #expect(lines.contains(" 0 4000 1") && lines.contains(" 1 100000 65536"), "\(output)")
        #expect(output.contains("freezing needs a control group, which only root can make\npause 1\n"), "\(output)")
        #expect(output.contains("5:6\napp\nlong running\nseed\n1000\n"), "\(output)")
        #expect(output.hasSuffix("A /made\nnew\nseed\nlong\nclean\n"), "\(output)")
        // Nothing but the keeper held the namespaces, and with it all mounts are gone.
        let left = try runShell(
            "grep -la '\(directory.path)' /proc/[0-9]*/cmdline 2>/dev/null | grep -v self || true"
        ).split(separator: "\n").filter { path in
            let command = (try? readFile(String(path), limit: 1 << 16)) ?? []
            return String(decoding: command.prefix { $0 != 0 }, as: UTF8.self).hasSuffix("conmon")
        }
        #expect(left.isEmpty)
    }

    @Test(arguments: ["pasta", "slirp4netns"])
    func aPublishedPortAnswers(_ program: String) throws {
        let directory = try home()
        let port = try freePort()
        let output = try asUser(
            directory, hiding: program == "pasta" ? [] : ["pasta"],
            """
            set -e
            trap 'kill $(cut -d" " -f1 run/strata/keeper)' EXIT
            ./strata image load -q -i box.tar
            box=localhost/box:latest
            ./strata run -d --name web -p \(port):80 -p \(port):9/udp $box sh -c 'while :; do echo hello | nc -l -p 80; done' > /dev/null
            ./strata port web
            ls run/strata/containers/*/ | grep -o '^\(program.prefix(5))' | sort -u
            timeout 30 sh -c 'until busybox nc -w 2 127.0.0.1 \(port) < /dev/null | grep hello; do sleep 0.1; done'
            ./strata run --rm -p \(port):80 $box true || echo "taken $?"
            ./strata rm -f web
            ./strata run --rm -p \(port):80 $box echo free
            """)
        #expect(output.contains("\n9/udp -> 0.0.0.0:\(port)\n"), "\(output)")
        #expect(output.contains("\n80/tcp -> 0.0.0.0:\(port)\n"), "\(output)")
        #expect(output.contains("\n\(program.prefix(5))\nhello\n"), "\(output)")
        #expect(output.contains("port is already allocated") && output.contains("\ntaken 125\n"), "\(output)")
        #expect(output.hasSuffix("\nweb\nfree\n"), "\(output)")
    }
}
