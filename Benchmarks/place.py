"""Where a run works: its folders, the file system of the stores, the chroot with the peers, and what is newest of each tool."""
import os
import pathlib
import re
import shutil
import subprocess

from measure import Failure

SUITE = "trixie"
PEERS = [
    "docker.io", "docker-cli", "containerd", "runc", "crun", "conmon", "podman", "skopeo", "umoci", "golang-github-containers-common",
    "netavark", "isal", "pigz", "ca-certificates", "iptables",
]
STORE_BYTES = 9 << 30
# What the tools and the page cache need beside the stores.
SPARE_BYTES = 4 << 30


class Place:
    def __init__(self, work, kind):
        self.work, self.kind = pathlib.Path(work), kind
        self.chroot = self.work / "peers"
        self.store = self.work / "store"
        self.memory = self.work / "memory"
        self.registries_conf = self.work / "registries.conf"
        # Why there is no chroot, where there is none: then only what stands on PATH is compared.
        self.problem = None

    def prepare(self):
        self.work.mkdir(parents=True, exist_ok=True)
        self.unmount_below(self.work)
        self.registries_conf.write_text('[[registry]]\nlocation = "198.18.77.2:5000"\ninsecure = true\n')
        try:
            self._make_chroot()
        except (Failure, subprocess.TimeoutExpired) as failure:
            shutil.rmtree(self.chroot, ignore_errors=True)
            self.problem = str(failure)
        shutil.rmtree(self.store, ignore_errors=True)
        self.store.mkdir()
        if self.kind == "memory":
            self._mount_memory()

    def _mount_memory(self):
        """A disk of memory: all its pages are there before the first write, as a disk's blocks are."""
        with open("/proc/meminfo") as file:
            available = next(int(line.split()[1]) << 10 for line in file if line.startswith("MemAvailable"))
        if available < STORE_BYTES + SPARE_BYTES:
            raise Failure(f"stores in memory need {(STORE_BYTES + SPARE_BYTES) >> 30} GiB that are free: use `--store disk`")
        self.memory.mkdir(exist_ok=True)
        _run(["mount", "-t", "tmpfs", "-o", f"size={STORE_BYTES + (64 << 20)},huge=within_size", "tmpfs", str(self.memory)])
        disk = self.memory / "disk"
        _run(["dd", "if=/dev/zero", f"of={disk}", "bs=1M", f"count={STORE_BYTES >> 20}", "status=none"])
        _run(["mkfs.ext4", "-q", "-F", "-E", "nodiscard", str(disk)])
        _run(["mount", "-o", "loop,nodiscard", str(disk), str(self.store)])

    def clean(self):
        self.unmount_below(self.work)
        shutil.rmtree(self.store, ignore_errors=True)

    def settle(self):
        """Writes out what is waiting: what one tool left to be written is not another's work."""
        subprocess.run(["sync", "-f", str(self.store)], check=True, timeout=120)

    def unmount_below(self, folder):
        """Unmounts, the innermost first, what a tool left mounted."""
        with open("/proc/self/mountinfo") as file:
            points = [line.split()[4].replace("\\040", " ") for line in file]
        for point in reversed([p for p in points if p == str(folder) or p.startswith(f"{folder}/")]):
            if point == str(self.store) and folder != self.work:
                continue
            if point == str(self.store) and subprocess.run(["umount", point], stderr=subprocess.DEVNULL).returncode == 0:
                continue
            subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)

    def describe(self):
        if self.kind == "memory":
            return "stores on ext4 over memory, so that a peer's missing fsync and the disk's noise weigh nothing"
        return "stores on this machine's disk"

    def _make_chroot(self):
        done = self.chroot / "made"
        if done.exists() and done.read_text() == " ".join(PEERS):
            return
        shutil.rmtree(self.chroot, ignore_errors=True)
        _run(["mmdebstrap", "-q", "--variant=minbase", f"--include={','.join(PEERS)}", SUITE, str(self.chroot)], timeout=900)
        done.write_text(" ".join(PEERS))

    def tool(self, name):
        """The program to run on the host for a tool that needs no chroot: the newest that runs."""
        own = shutil.which(name)
        if own and not self.is_newer_inside(name):
            return own
        return self.wrapper(name)

    def is_newer_inside(self, name):
        """Whether the chroot's is newer than what stands on PATH (or nothing stands there)."""
        own = shutil.which(name)
        if not own:
            return True
        script = 'mount -t proc proc "$0/proc"; exec chroot "$0" "$@"'  # podman reads it
        inside = _version(["unshare", "--mount", "sh", "-c", script, str(self.chroot), name, "--version"])
        return inside is not None and inside > (_version([own, "--version"]) or (0,))

    def wrapper(self, name):
        """Go programs of the chroot need only its libraries and certificates: they run on the host with its loader."""
        file = self.work / f"bin-{name}"
        if not file.exists():
            target = self.chroot / "usr/bin" / name
            loader = next(self.chroot.glob("lib64/ld-linux-*"), None) or next(self.chroot.glob("lib/ld-linux-*"))
            libraries = ":".join(str(p) for p in self.chroot.glob("usr/lib/*-linux-gnu"))
            file.write_text(f'#!/bin/sh\nexec "{loader}" --library-path "{libraries}" "{target}" "$@"\n')
            file.chmod(0o755)
        return str(file)


def _version(arguments):
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\d+(?:\.\d+)+", done.stdout)
    return tuple(map(int, found[0].split("."))) if found else None


def _run(arguments, timeout=120):
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(arguments)}` failed: {done.stderr[-800:]}")
