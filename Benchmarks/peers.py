"""The peers with engines of their own: docker (both image stores), containerd and podman.

They run from the chroot, or from the host where what stands on PATH is newer, in a mount namespace of their own whose root
that is: runtimes remount `/`. The stores have the same path inside and outside.
"""
import os
import pathlib
import shutil
import subprocess

import measure
from engines import DOCKERISH, Engine
from measure import Failure
from origin import wait_for

INSECURE = "198.18.0.0/15"
ENTER = """set -e
if [ -n "$1" ]; then
    mount --bind "$1" "$1"; cd "$1"
    mkdir -p "./$2"; mount --rbind "$2" "./$2"
    mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run
    cat /etc/resolv.conf > etc/resolv.conf 2>/dev/null || true
    pivot_root . mnt; umount -l /mnt
fi
echo ready; exec sleep infinity"""


class Peer(Engine):
    tool = ""

    def __init__(self, name, place, excluded):
        super().__init__(name, place, excluded)
        self.inside = place.is_newer_inside(self.tool)
        self.holder = None

    def prefix(self):
        return ["nsenter", "--target", str(self.holder.pid), "--mount"]

    def start(self):
        super().start()
        root = str(self.place.chroot) if self.inside else ""
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", root, str(self.place.store)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            raise Failure("the namespace of its own cannot be made")

    def stop(self):
        super().stop()
        if self.holder:
            measure.stop_tree(self.holder.pid)  # its mounts go with the namespace
            self.holder = None

    def daemon(self, arguments, ready, what):
        log = pathlib.Path(self.folder / "log")
        with open(log, "ab") as sink:
            self.daemons.append(subprocess.Popen(
                Peer.prefix(self) + arguments, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink))
        try:
            wait_for(ready, what)
        except Failure as failure:
            raise Failure(f"{failure}: {log.read_text(errors='replace')[-600:]}") from None


class Docker(Peer):
    tool = "dockerd"
    verbs = {**DOCKERISH, "version": ["--version"]}
    features = "{}"

    def start(self):
        super().start()
        config = self.folder / "daemon.json"
        config.write_text(self.features)
        socket = self.folder / "docker.sock"
        self.daemon(
            ["dockerd", "--config-file", str(config), "--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec",
             "--pidfile", f"{self.folder}/pid", "-H", f"unix://{socket}", "--iptables=false", "--ip6tables=false", "--bridge=none",
             "--insecure-registry", INSECURE],
            lambda: socket.exists() and subprocess.run(
                self.prefix() + ["info"], capture_output=True, timeout=20, stdin=subprocess.DEVNULL).returncode == 0,
            "dockerd")

    def prefix(self):
        # The client from PATH where there is one: it talks to the socket, wherever it runs.
        own = shutil.which("docker")
        client = [own] if own and not self.place.is_newer_inside("docker") else super().prefix() + ["docker"]
        return client + ["-H", f"unix://{self.folder}/docker.sock"]

    def version(self):
        found = self.quietly(self.prefix() + ["version", "-f", "client {{.Client.Version}}, engine {{.Server.Version}}"], check=False)
        return found.strip() or super().version()

    def reset(self):
        self.quietly(self.prefix() + ["container", "prune", "-f"])
        self.quietly(self.prefix() + ["image", "prune", "-a", "-f"])


class DockerContainerd(Docker):
    remark = " (docker with the containerd image store)"
    features = '{"features": {"containerd-snapshotter": true}}'


class Containerd(Peer):
    tool = "containerd"
    archive = "oci"
    verbs = {
        "pull": ["image", "pull", "--plain-http", "IMAGE"], "rm": ["image", "rm", "--sync", "IMAGE"], "ls": ["image", "ls"],
        "save": ["image", "export", "FILE", "IMAGE"], "load": ["image", "import", "FILE"], "tag": ["image", "tag", "IMAGE", "FILE"],
        "push": ["image", "push", "--plain-http", "IMAGE"], "version": ["--version"], "prune": [],
        "true": ["run", "--rm", "--null-io", "IMAGE", "bench", "true"], "echo": ["run", "--rm", "IMAGE", "bench", "echo", "ready"],
        "shell": ["run", "--rm", "IMAGE", "bench", "sh"],
    }

    def start(self):
        super().start()
        config = self.folder / "config.toml"
        config.write_text(f'version = 2\nroot = "{self.folder}/data"\nstate = "{self.folder}/state"\n'
                          f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{self.folder}/containerd.sock"\n')
        self.daemon(
            ["containerd", "--config", str(config)],
            lambda: subprocess.run(
                self.prefix() + ["version"], capture_output=True, timeout=20, stdin=subprocess.DEVNULL).returncode == 0,
            "containerd")

    def prefix(self):
        return super().prefix() + ["ctr", "--address", f"{self.folder}/containerd.sock"]

    def can(self, verb):
        return verb == "first" or super().can(verb)

    def arguments(self, verb, image="", file=""):
        if verb == "first":  # its `run` does not pull
            pull, run = super().arguments("pull", image), super().arguments("echo", image)
            return ["sh", "-c", " ".join(pull) + " >/dev/null && exec " + " ".join(run)]
        if verb == "prune":  # collects in the background unless asked
            return ["sh", "-c", " && ".join(" ".join(self.prefix() + c) for c in (["image", "prune", "--all"], ["content", "prune", "references"]))]
        return super().arguments(verb, image, file)

    def version(self):
        return " ".join(self.quietly(Peer.prefix(self) + ["containerd", "--version"], check=False).split()[:3])

    def reset(self):
        for kind in (["task", "kill", "-s", "KILL"], ["container", "rm"]):
            self.quietly(self.prefix() + [*kind, "bench"], check=False)
        listed = self.quietly(self.prefix() + ["image", "ls", "-q"]).split()
        if listed:
            self.quietly(self.prefix() + ["image", "rm", "--sync", *listed])


class Podman(Peer):
    tool = "podman"
    LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    verbs = {
        **DOCKERISH, "pull": ["pull", "-q", "--tls-verify=false", "IMAGE"], "push": ["push", "-q", "--tls-verify=false", "IMAGE"],
        "save": ["save", "-q", "-o", "FILE", "IMAGE"], "version": ["--version"],
        "true": ["run", "--rm", "--network", "none", *LIMITS, "IMAGE", "true"],
        "first": ["run", "--rm", "-q", "--tls-verify=false", "--network", "none", *LIMITS, "IMAGE", "echo", "ready"],
        "shell": ["run", "--rm", "-i", "--network", "none", *LIMITS, "IMAGE", "sh"],
    }

    def prefix(self):
        # runc: crun refuses hosts that mix cgroup versions.
        return super().prefix() + [
            "podman", "--runtime", "runc", "--root", f"{self.folder}/root", "--runroot", f"{self.folder}/run", "--storage-driver", "overlay",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    def environment(self):
        return {**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}

    def reset(self):
        self.quietly(self.prefix() + ["rm", "-a", "-f", "-t", "0"], check=False)
        # A thousand images may take it minutes.
        self.quietly(self.prefix() + ["rmi", "-a", "-f"], timeout=300)

    def version(self):
        return self.quietly(Peer.prefix(self) + ["podman", "--version"], check=False).strip()
