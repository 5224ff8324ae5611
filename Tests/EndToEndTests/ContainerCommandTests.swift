import Linux
import TestSupport
import Testing

/// The verbs as people type them.
@Suite struct ContainerCommandTests {
    @Test func listsAndInspections() throws {
        let stage = try ContainerStage()
        let strata = stage.strata
        let id = try strata.succeed(
            "run", "-d", "--name", "web", "-l", "tier=front", "-p", "127.0.0.1:0:80", "-v", "named:/v",
            ContainerStage.image,
            "sh", "-c", "echo hello; exec sleep 1000"
        ).filter { $0 != "\n" }
        #expect(id.count == 64)
        #expect(
            try strata.run("run", "--name", "done", "--network", "none", ContainerStage.image, "sh", "-c", "exit 3")
                .status == 3)
        #expect(try strata.succeed("create", "--name", "new", ContainerStage.image) != "")
        func ps(_ arguments: String...) throws -> String { try strata.run(["ps"] + arguments).output }
        #expect(try ps().hasPrefix("CONTAINER ID   IMAGE                  COMMAND"))
        #expect(try ps("-q") == String(id.prefix(12)) + "\n")
        #expect(try ps("-a", "--format", "{{.Names}}") == "new\ndone\nweb\n")
        #expect(try ps("-l", "--format", "{{.Names}} {{.Status}}") == "new Created\n")
        #expect(try ps("-a", "-f", "status=exited", "--format", "{{.Names}} {{.Networks}}") == "done none\n")
        #expect(try ps("-f", "exited=3", "--format", "{{.Names}}") == "done\n")
        #expect(try ps("-f", "label=tier=front", "--format", "{{.Label \"tier\"}} {{.Mounts}}") == "front named\n")
        #expect(
            try ps("-f", "ancestor=\(ContainerStage.image)", "-f", "name=^web$", "-q") == String(id.prefix(12)) + "\n")
        #expect(try ps("-a", "--format", "json").split(separator: "\n").count == 3)
        #expect(
            try ps("-a", "--format", "table {{.Names}}\t{{.State}}").hasPrefix("NAMES     STATE\nnew       created\n"))
        let port = try strata.succeed("port", "web", "80")
        let ports = try strata.succeed("port", "web")
        #expect(port.hasPrefix("127.0.0.1:") && ports == "80/tcp -> \(port)")
        #expect(try strata.run("port", "web", "81").errorOutput.contains("no public port '81/tcp' published for web"))
        #expect(
            try stage.inspect("web", "{{.State.Running}} {{.Config.Labels.tier}} {{.HostConfig.NetworkMode}} {{.Name}}")
                == "true front bridge /web")
        #expect(try stage.inspect("web", "{{(index .NetworkSettings.Ports \"80/tcp\" 0).HostIp}}") == "127.0.0.1")
        #expect(
            try stage.inspect("web", "{{range .Mounts}}{{.Type}} {{.Destination}} {{.RW}}{{end}}") == "volume /v true")
        #expect(try stage.inspect("web", "{{json .Config.Cmd}}") == #"["sh","-c","echo hello; exec sleep 1000"]"#)
        let whole = try strata.succeed("inspect", "web", "done")
        #expect(
            try runShell(
                "python3 -c 'import json,sys; print([c[\"Name\"] for c in json.load(sys.stdin)])' <<'E'\n\(whole)E")
                == "['/web', '/done']\n")
        let missing = try strata.run("container", "inspect", "nosuch")
        #expect(
            missing.status == 1 && missing.output == "[]\n" && missing.errorOutput.contains("No such container: nosuch")
        )
        #expect(try strata.succeed("logs", "web") == "hello\n")
        #expect(try strata.succeed("top", "web", "-o", "pid,args").contains("sleep 1000"))
        let stats = try strata.succeed("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}} {{.MemUsage}}")
        #expect(stats.hasPrefix("web 1 ") && stats.contains("iB / "), "\(stats)")
        #expect(try strata.succeed("update", "--memory", "64m", "--memory-swap", "128m", "web") == "web\n")
        #expect(try stage.inspect("web", "{{.HostConfig.Memory}}") == "67108864")
        #expect(try strata.run("update", "web").errorOutput.contains("you must provide one or more flags"))
        #expect(try strata.succeed("pause", "web") == "web\n" && ps("--format", "{{.Status}}").hasSuffix("(Paused)\n"))
        #expect(try strata.succeed("unpause", "web") == "web\n")
        #expect(try strata.succeed("rename", "web", "site") == "" && stage.inspect("site", "{{.Id}}") == id)
        #expect(
            try strata.succeed("kill", "-s", "KILL", "site") == "site\n" && strata.succeed("wait", "site") == "137\n")
        #expect(try strata.run("kill", "site").errorOutput.contains("is not running"))
        #expect(try strata.run("rm", "nosuch", "done").output == "done\n")
        #expect(try strata.run("rm", "-f", "nosuch").status == 0)
    }

    @Test func failuresHaveDockersWordsAndCodes() throws {
        let stage = try ContainerStage()
        let strata = stage.strata
        try strata.succeed("create", "--name", "taken", ContainerStage.image)
        let cases: [(arguments: [String], status: Int32, words: String)] = [
            (["run"], 1, "'strata run' requires at least 1 argument"),
            (["run", "--nosuch", ContainerStage.image], 125, "unknown flag: --nosuch"),
            (["run", "--pull", "never", "localhost/none"], 125, "No such image: localhost/none"),
            (["run", "--memory", "lots", ContainerStage.image], 125, "invalid size: 'lots'"),
            (["run", "-it", ContainerStage.image], 1, "the input device is not a TTY"),
            (
                ["run", "--rm", "--restart", "always", ContainerStage.image], 125,
                "cannot specify both --restart and --rm"
            ),
            (["run", "--network", "nosuch", ContainerStage.image], 125, "network nosuch not found"),
            (["run", ContainerStage.image, "nosuch"], 127, "executable file not found in $PATH"),
            (["run", ContainerStage.image, "/etc/passwd"], 126, "permission denied"),
            (["run", "-e", "=x", ContainerStage.image], 125, "invalid environment variable: =x"),
            (["exec", "nosuch", "true"], 1, "No such container: nosuch"),
            (["start", "nosuch"], 1, "No such container: nosuch"),
            (["create", "--name", "-bad", ContainerStage.image], 1, "Invalid container name (-bad)"),
            (["cp", "a", "b"], 1, "must specify at least one container source"),
            (["ps", "-f", "nosuch=1"], 1, "invalid filter 'nosuch'"),
            (["ps", "-a", "--format", "{{.Nosuch}}"], 1, "template parsing error"),
            (["volume", "rm", "nosuch"], 1, "no such volume"),
        ]
        for (arguments, status, words) in cases {
            let result = try strata.run(arguments)
            #expect(result.status == status && result.errorOutput.contains(words), "\(arguments): \(result)")
        }
        // A name is taken until its container goes.
        let conflict = try strata.run("run", "--name", "taken", ContainerStage.image)
        #expect(
            conflict.status == 125 && conflict.errorOutput.contains("The container name \"/taken\" is already in use"))
        #expect(try strata.run("exec", "taken", "true").errorOutput.contains("is not running"))
    }

    @Test func copiesCommitsAndExports() throws {
        let stage = try ContainerStage()
        let strata = stage.strata
        let cwd = strata.directory.path + "/cwd"
        try strata.directory.write("cwd/tree/inner/file", Array("mine\n".utf8))
        let script = """
            rm /data/seed; mkdir /made; echo one > /made/a; ln /made/a /made/b; ln -s a /made/link; chmod 4711 /made/a
            dd if=/dev/zero of=/made/sparse bs=1 count=1 seek=1048576 2>/dev/null; rm -r /data/sub; mkdir /data/sub
            """
        try strata.succeed("run", "--name", "work", ContainerStage.image, "sh", "-c", script)
        try strata.succeed("cp", "tree", "work:/made/")
        try strata.succeed("cp", "work:/made/tree/inner/file", "back")
        #expect(try runShell("cat back", in: cwd) == "mine\n")
        #expect(try strata.succeed("cp", "work:/made/a", "-").contains("one\n"))
        let tar = Array(try runShell("tar -C tree -cf - inner | base64 -w0", in: cwd).utf8)
        try strata.directory.write("cwd/inner.b64", tar)
        _ = try runShell(
            "base64 -d inner.b64 | STRATA_ROOT='\(stage.root)' STRATA_RUN_DIR='\(stage.run)' '\(StrataProcess.binary)' cp - work:/data",
            in: cwd)
        let id = try strata.succeed(
            "commit", "-a", "somebody", "-m", "what was done", "-c", "CMD [\"cat\", \"/data/inner/file\"]", "-c",
            "ENV MORE=yes",
            "work", "localhost/made:1")
        #expect(id.hasPrefix("sha256:"))
        #expect(try strata.succeed("run", "--rm", "localhost/made:1") == "mine\n")
        let config = try strata.succeed(
            "image", "inspect", "-f", "{{.Author}} {{.Comment}} {{json .Config.Env}} {{len .RootFS.Layers}}",
            "localhost/made:1")
        #expect(config == "somebody what was done [\"PATH=/bin\",\"IMAGE=yes\",\"MORE=yes\"] 2\n")
        #expect(
            try strata.succeed("history", "--format", "{{.CreatedBy}}", "localhost/made:1").contains(
                "sh -c rm /data/seed"))
        // podman sees the tree that strata sees.
        try strata.succeed("save", "-o", "made.tar", "localhost/made:1")
        let podman = try Podman(loading: cwd + "/made.tar")
        let look = """
            cd /; find data made root -type d -exec stat -c '%n %F %a %u:%g' {} + | sort
            find data made root ! -type d -exec stat -c '%n %F %a %u:%g %h %s' {} + | sort; cat /made/link; ls /data
            """
        let ours = try strata.run("run", "--rm", "--network", "none", "localhost/made:1", "sh", "-c", look)
        let theirs = try podman.run(
            ["run", "--rm", "--network", "none"] + Podman.limits + ["localhost/made:1", "sh", "-c", look])
        #expect(ours.status == 0 && ours.output.contains("made/sparse regular file 644 0:0 1 1048577"), "\(ours)")
        #expect(ours.output == theirs.output, "\(theirs)")
        let names = try runShell(
            "'\(StrataProcess.binary)' --root '\(stage.root)' --run-dir '\(stage.run)' export work | tar -tf - | grep -e made -e data | sort",
            in: cwd)
        #expect(names.contains("made/tree/inner/file\n") && !names.contains("data/seed"))
        #expect(try strata.succeed("volume", "create", "kept") == "kept\n")
        #expect(
            try strata.succeed("volume", "ls", "-q") == "kept\n"
                && strata.succeed("volume", "inspect", "-f", "{{.Name}}", "kept") == "kept\n")
        try strata.succeed("run", "-d", "--name", "user", "-v", "kept:/k", ContainerStage.image, "sleep", "1000")
        #expect(try strata.run("volume", "rm", "kept").errorOutput.contains("volume is in use"))
        try strata.succeed("rm", "-f", "user")
        #expect(try strata.succeed("volume", "prune", "-a", "-f").hasPrefix("Deleted Volumes:\nkept\n"))
    }

    /// A terminal of 33 rows and 77 columns around `strata`, driven by what it shows.
    @Test func terminalsResizeDetachAndAttach() throws {
        let stage = try ContainerStage()
        let program = #"""
            import fcntl, os, pty, select, signal, struct, subprocess, sys, termios, time
            strata = sys.argv[1]
            class Terminal:
                def __init__(self, words, rows, columns):
                    self.fd, inner = pty.openpty()
                    self.resize(rows, columns)
                    def control(): os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0)
                    self.process = subprocess.Popen([strata] + words, stdin=inner, stdout=inner, stderr=inner, preexec_fn=control)
                    os.close(inner); self.seen = b""
                def resize(self, rows, columns): fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
                def until(self, text):
                    end = time.time() + 30
                    while text.encode() not in self.seen:
                        if not select.select([self.fd], [], [], max(0, end - time.time()))[0]: sys.exit(f"no {text!r} in {self.seen!r}")
                        try: data = os.read(self.fd, 65536)
                        except OSError: data = b""
                        if not data: sys.exit(f"ended without {text!r}: {self.seen!r}")
                        self.seen += data
                    self.seen = self.seen.split(text.encode(), 1)[1]
                def type(self, text): os.write(self.fd, text.encode())
                def end(self): return self.process.wait(30)
            image = sys.argv[2]
            one = Terminal(["run", "-it", "--name", "shell", image, "cat"], 33, 77)
            one.type("typed\n"); one.until("typed"); one.until("typed")
            size = Terminal(["exec", "-t", "shell", "sh", "-c", "stty size < /proc/1/fd/0"], 10, 20); size.until("33 77"); print(size.end())
            one.resize(11, 99)
            for attempt in range(200):
                size = subprocess.run([strata, "exec", "shell", "sh", "-c", "stty size < /proc/1/fd/0"], capture_output=True, text=True).stdout
                if size == "11 99\n": break
            print(size.strip())
            one.type("\x10\x11"); print("detached", one.end())
            two = Terminal(["attach", "shell"], 20, 40)
            two.type("again\n"); two.until("again"); two.until("again"); two.type("\x04"); print("ended", two.end())
            inner = Terminal(["run", "--rm", "-it", image, "sh", "-c", "test -t 0 && test -t 1 && stty size; read x; exit 5"], 12, 34)
            inner.until("12 34"); inner.type("\n"); print("code", inner.end())
            proxy = subprocess.Popen([strata, "run", "--rm", image, "sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.05; done"], stdout=subprocess.PIPE)
            proxy.stdout.readline(); proxy.send_signal(signal.SIGTERM); print(proxy.stdout.readline().decode().strip(), proxy.wait(30))
            """#
        try stage.strata.directory.write("terminal.py", Array(program.utf8))
        let output = try runShell(
            "STRATA_ROOT='\(stage.root)' STRATA_RUN_DIR='\(stage.run)' python3 terminal.py '\(StrataProcess.binary)' \(ContainerStage.image) 2>&1 || true",
            in: stage.strata.directory.path)
        #expect(output == "0\n11 99\ndetached 0\nended 0\ncode 5\ngot 9\n")
    }

    @Test func removesItselfThoughTheCommandWasKilled() throws {
        let stage = try ContainerStage()
        let process = try stage.strata.start([
            "run", "--rm", ContainerStage.image, "sh", "-c", "echo ready; while [ ! -e /go ]; do sleep 0.05; done",
        ])
        try stage.waitUntil("it runs") { process.output == "ready\n" }
        let ids = try stage.containers()
        process.signal(9)
        #expect(try process.finish().status == 137)
        let listed = try stage.strata.succeed("ps", "-q")
        #expect(listed == "\(ids[0].prefix(12))\n")
        try stage.strata.succeed("exec", String(ids[0].prefix(12)), "touch", "/go")
        // conmon takes it away; nobody else looks.
        try stage.waitUntil("nothing is left") { try stage.containers().isEmpty && stage.leftovers(of: ids) == [] }
    }
}
