import Glibc
import Linux
import Synchronization

/// A Debian root file system as an image of six layers: the base, packages, deletions, opaque directories, odd kinds of
/// everything, many files; 30,000 entries. Made once in a run of tests, from the mirror that apt uses, without any code of
/// Strata's; gone at its end.
package struct DebianImage: Sendable {
    /// The layers' tars, lowest first.
    package let layers: [String]
    /// An OCI layout with the image as `latest`.
    package let layout: String
    /// The tree that `umoci unpack` makes of it.
    package let tree: TreeListing

    /// The image, as soon as it is made.
    package static let shared = Task { try await onThread(named: "debian image") { try DebianImage() } }

    private init() throws {
        let directory = try TemporaryDirectory()
        Self.directory.withLock { $0 = directory }
        atexit { DebianImage.directory.withLock { $0?.remove() } }
        try directory.write("make.py", Array(Self.script.utf8))
        _ = try runShell("python3 make.py 2>log || { tail -20 log; exit 1; }", in: directory.path)
        layers = (0..<6).map { "\(directory.path)/layer\($0).tar" }
        layout = directory.path + "/oci"
        tree = try TreeListing(directory.path + "/bundle/rootfs")
    }

    private static let directory = Mutex<TemporaryDirectory?>(nil)

    private static let script = #"""
        import os, re, shutil, stat, subprocess

        def run(*command, **options):
            return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options).stdout

        def output(*command):
            return run(*command).decode()

        os.environ.update(LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
        codename = re.search(r"^VERSION_CODENAME=(\w+)", open("/etc/os-release").read(), re.M).group(1)
        mirrors = [line.split() for line in output(
            "apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)", "Created-By: Packages", "Origin: Debian").splitlines()]
        mirror = next((uri for name, uri in mirrors if name == codename), "http://deb.debian.org/debian")
        extract = ["tar", "-xp", "--numeric-owner", "--xattrs", "--xattrs-include=*"]

        # 0: the base
        if not os.path.exists("layer0.tar"):
            run("mmdebstrap", "--quiet", "--variant=essential", "--mode=root", "--format=tar", codename, "layer0.tar", mirror)
        for name in ("upper0", "work", "root", "debs"): os.mkdir(name)
        run(*extract, "-f", "layer0.tar", "-C", "upper0")

        wanted = re.compile(r"(iputils-ping|libcap2-bin|libcap2|libidn2-0|libunistring\d+|tzdata)$")
        names = sorted(set(filter(wanted.match, output(
            "apt-cache", "depends", "--recurse", "--important", "iputils-ping", "libcap2-bin", "tzdata").splitlines())))
        run("apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", *names, cwd="debs")

        uppers = ["upper0"]

        def layer(change):
            """Changes the tree by way of an overlay, and packs what changed as docker does: with all directories on the way."""
            number = len(uppers)
            upper = "upper%d" % number
            os.mkdir(upper)
            run("mount", "-t", "overlay", "overlay", "root", "-o", "index=off,metacopy=off,redirect_dir=off,lowerdir=%s,upperdir=%s,"
                "workdir=work" % (":".join(reversed(uppers)), upper))
            try: change("root/")
            finally: run("umount", "root")
            whiteouts, marks = [], []
            for path, directories, files in os.walk(os.fsencode(upper)):
                inner = os.path.relpath(path, os.fsencode(upper))
                if b"trusted.overlay.opaque" in map(os.fsencode, os.listxattr(path)): marks.append(inner + b"/.wh..wh..opq")
                for name in files:
                    status = os.lstat(path + b"/" + name)
                    if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                        whiteouts.append(os.path.join(b".", os.path.normpath(inner + b"/" + name)))
                        marks.append(inner + b"/.wh." + name)
            with open("exclude", "wb") as out: out.write(b"\n".join(whiteouts))
            archive = "layer%d.tar" % number
            run("tar", "--format=pax", "--pax-option=delete=atime,delete=ctime", "--numeric-owner", "--sparse", "--sort=name", "--xattrs",
                "--xattrs-include=*", "--xattrs-exclude=trusted.overlay.*", "--no-wildcards", "--anchored", "--exclude-from=exclude",
                "-cf", archive, "-C", upper, ".")
            os.mkdir("marks")
            for mark in marks:
                os.makedirs(os.path.dirname(b"marks/" + mark), exist_ok=True)
                open(b"marks/" + mark, "w").close()
            if marks: run("tar", "--numeric-owner", "-rf", archive, "-C", "marks", "--", *map(os.path.normpath, sorted(marks)))
            shutil.rmtree("marks")
            uppers.append(upper)

        def write(path, content="x\n"):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as out: out.write(content)

        def packages(root):
            shutil.copytree("debs", root + "debs")
            run("chroot", root, "sh", "-c", "dpkg -i /debs/*.deb >/dev/null", stderr=subprocess.DEVNULL)
            shutil.rmtree(root + "debs")

        def deletions(root):
            for path in ("usr/share/doc/libc6", "usr/share/zoneinfo/America", "dev", "usr/share/man", "etc/apt"):
                shutil.rmtree(root + path)
            os.remove(root + "usr/bin/perldoc")
            os.remove(root + "etc/issue")
            write(root + "usr/share/man", "a file in a directory's place\n")
            write(root + "etc/issue/inside", "a directory in a file's place\n")
            os.mkdir(root + "dev")

        def opaque(root):
            for path in ("usr/share/doc", "usr/share/zoneinfo/Europe", "var/lib/dpkg/info"):
                shutil.rmtree(root + path)
                write(root + path + "/only/one")
            write(root + "etc/apt/back")
            write(root + "usr/share/zoneinfo/America/back")
            shutil.rmtree(root + "usr/share/zoneinfo/Asia")

        def odd(root):
            d = root + "srv/odd/"
            os.makedirs(d + "dir")
            shutil.copy(root + "usr/bin/perl", d + "tool")
            for name in ("tool2", "dir/tool3"): os.link(d + "tool", d + name)
            run("setcap", "cap_net_raw,cap_net_admin+ep", d + "tool")
            run("setcap", "cap_net_bind_service+ep", root + "usr/bin/env")
            shutil.copy(root + "usr/bin/env", d + "setuid")
            os.chmod(d + "setuid", 0o6755)
            with open(d + "sparse", "wb") as out:
                for offset in (0, 20 << 20, (48 << 20) - 4096):
                    out.seek(offset)
                    out.write(b"0123456789abcdef" * 256)
            os.mknod(d + "disk", 0o640 | stat.S_IFBLK, os.makedev(259, 300))
            os.mkfifo(d + "fifo", 0o600)
            os.symlink("../../nowhere", d + "dangling")
            os.link(d + "dangling", d + "dangling2", follow_symlinks=False)
            os.chown(d + "dangling", 12, 34, follow_symlinks=False)
            os.utime(d + "dangling", ns=(0, 1234567890123456789), follow_symlinks=False)
            write(d + "n" * 255)
            with open(os.fsencode(d) + b"\xff\xfename", "w") as out: out.write("x")
            os.setxattr(d + "tool", "user.note", bytes(range(256)))
            os.chown(d + "dir", 100000, 65534)
            os.chmod(d + "dir", 0o1777)
            os.utime(d + "dir", ns=(0, 1000000000500000000))

        def many(root):
            for number in range(200):
                directory = root + "usr/share/many/%02d/%03d/" % (number % 20, number)
                for file in range(125): write(directory + "file-%03d" % file, "%d/%d\n" % (number, file) * (file % 40))
            shutil.rmtree(root + "usr/share/zoneinfo/Africa")
            os.remove(root + "srv/odd/dir/tool3")
            os.chmod(root + "usr/share", 0o751)

        for change in (packages, deletions, opaque, odd, many): layer(change)
        for upper in uppers: shutil.rmtree(upper)

        # The image, and what another tool makes of it.
        run("umoci", "init", "--layout", "oci")
        run("umoci", "new", "--image", "oci:latest")
        for number in range(len(uppers)): run("umoci", "raw", "add-layer", "--image", "oci:latest", "layer%d.tar" % number)
        run("umoci", "unpack", "--image", "oci:latest", "bundle")
        """#
}
