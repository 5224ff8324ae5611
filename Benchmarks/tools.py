"""The tools that are compared, each with its own empty store, and the registry that serves them all.

The peers run from a chroot of Debian trixie, made once below the work folder, or from PATH where newer ones stand there.
"""
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time

import measure

PEERS = ["docker.io", "docker-cli", "containerd", "runc", "podman", "skopeo", "isal", "ca-certificates", "iptables"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Registry:
    """docker-registry on loopback."""

    def __init__(self, work):
        self.folder = work / "registry"
        self.address = f"127.0.0.1:{free_port()}"

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "config.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}}}\nhttp: {{addr: '{self.address}'}}\n")
        self.process = subprocess.Popen(["docker-registry", "serve", config], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for(lambda: can_connect(self.address), "docker-registry")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def fill(self, work, images):
        """Serves the images of the work folder."""
        for image in images:
            self._push(work / image, f"{image}:latest")
        if "python" in images:
            # The same image without its last layer.
            base = work / "python-base"
            if not base.exists():
                shutil.copytree(work / "python", base)
                drop_last_layer(base)
            self._push(base, "python:base")

    def _push(self, layout, name):
        subprocess.run(
            ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:latest", f"docker://{self.address}/{name}"], check=True)


def drop_last_layer(layout):
    def read(digest):
        return json.loads((layout / "blobs" / digest.replace(":", "/")).read_text())

    def write(document):
        data = json.dumps(document).encode()
        import hashlib
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        (layout / "blobs" / digest.replace(":", "/")).write_bytes(data)
        return digest, len(data)

    index = json.loads((layout / "index.json").read_text())
    manifest = read(index["manifests"][0]["digest"])
    config = read(manifest["config"]["digest"])
    manifest["layers"].pop()
    config["rootfs"]["diff_ids"].pop()
    while config["history"].pop().get("empty_layer"):
        pass
    manifest["config"]["digest"], manifest["config"]["size"] = write(config)
    index["manifests"][0]["digest"], index["manifests"][0]["size"] = write(manifest)
    (layout / "index.json").write_text(json.dumps(index))


def can_connect(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not start")
        time.sleep(0.05)


class Engine:
    """A tool with a store of its own. `verbs` maps a case's verb to the arguments for an image name."""
    remark = ""
    verbs = {}

    def __init__(self, name, work, registry):
        self.name, self.registry, self.folder = name, registry, work / f"store-{name}"
        self.daemons = []

    def start(self):
        """Starts what it needs; says what is missing."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def stop(self):
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self.daemons = []

    def can(self, verb):
        return verb in self.verbs

    def prefix(self):
        return []

    def environment(self):
        return None

    def run(self, verb, image, file=None):
        arguments = self.prefix() + [part.replace("IMAGE", image) for part in self.verbs[verb]]
        source = open(file, "rb") if verb == "load" else subprocess.DEVNULL
        sink = open(file, "wb") if verb == "save" else subprocess.DEVNULL
        try:
            return measure.command(
                arguments, self.environment(), [d.pid for d in self.daemons], stdin=source, stdout=sink)
        finally:
            for stream in (source, sink):
                if stream is not subprocess.DEVNULL:
                    stream.close()

    def reset(self):
        raise NotImplementedError

    def fill(self, count):
        """Gives it that many images, where that can be done in reasonable time."""
        return False

    def version(self):
        return subprocess.run(
            self.prefix() + ["--version"], capture_output=True, text=True, env=self.environment()).stdout.strip()


class Strata(Engine):
    verbs = {
        "pull": ["pull", "-q", "IMAGE"], "rm": ["rmi", "IMAGE"], "save": ["save", "IMAGE"], "load": ["load", "-q"],
        "ls": ["image", "ls"], "inspect": ["image", "inspect", "IMAGE"], "history": ["history", "IMAGE"], "version": ["version"],
        "true": ["run", "--rm", "--network", "none", "IMAGE", "true"], "prune": ["image", "prune", "-a", "-f"],
    }

    def __init__(self, name, work, registry, binary):
        super().__init__(name, work, registry)
        self.binary = str(pathlib.Path(binary).resolve())

    def prefix(self):
        return [self.binary]

    def environment(self):
        return {**os.environ, "STRATA_ROOT": str(self.folder / "root"), "STRATA_RUN_DIR": str(self.folder / "run")}

    def reset(self):
        shutil.rmtree(self.folder / "root", ignore_errors=True)

    def fill(self, count):
        self.reset()
        self.run("pull", f"{self.registry.address}/alpine:latest")
        subprocess.run(
            ["sh", "-c", 'for n in $(seq "$2"); do echo "$n" | tar -cf - --files-from /dev/null | "$0" import --change "LABEL n=$n" - "many:$n" >/dev/null || exit 1; done',
             self.binary, "", str(count)], check=True, env=self.environment())
        return True


class Chrooted(Engine):
    """A peer from the chroot, in a mount namespace of its own whose root it is: runtimes remount `/`."""

    def __init__(self, name, work, registry):
        super().__init__(name, work, registry)
        self.chroot = work / "peers"
        self.inner = f"/store-{name}"
        self.holder = None

    def prefix(self):
        return ["nsenter", "--target", str(self.holder.pid), "--mount"]

    def start(self):
        super().start()
        if not self.chroot.exists():
            subprocess.run(
                ["mmdebstrap", "--variant=minbase", f"--include={','.join(PEERS)}", "trixie", self.chroot], check=True)
        (self.chroot / self.inner.lstrip("/")).mkdir(exist_ok=True)
        script = """set -e
            mount --bind "$0" "$0"; cd "$0"
            mount --bind "$1" "./$2"
            mount -t proc proc proc; mount --rbind /sys sys; mount --rbind /dev dev; mount -t tmpfs tmpfs run
            cp /etc/resolv.conf etc/ 2>/dev/null || true
            pivot_root . mnt; umount -l /mnt
            echo ready; exec sleep infinity"""
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, self.chroot, self.folder, self.inner],
            stdout=subprocess.PIPE, text=True)
        if self.holder.stdout.readline() != "ready\n":
            return "its chroot cannot be entered"
        return None

    def stop(self):
        super().stop()
        if self.holder:
            # Its mounts go with the namespace.
            self.holder.kill()
            self.holder.wait()

    def daemon(self, arguments, ready, what):
        log = open(self.folder / "log", "ab")
        self.daemons.append(subprocess.Popen(Chrooted.prefix(self) + arguments, stdout=log, stderr=log))
        try:
            wait_for(ready, what)
        except RuntimeError as error:
            return f"{error}: {(self.folder / 'log').read_text()[-600:]}"
        return None


class Docker(Chrooted):
    verbs = {
        "pull": ["pull", "-q", "IMAGE"], "rm": ["rmi", "IMAGE"], "save": ["save", "IMAGE"], "load": ["load", "-q"],
        "ls": ["image", "ls"], "inspect": ["image", "inspect", "IMAGE"], "history": ["history", "IMAGE"], "version": ["--version"],
        "true": ["run", "--rm", "--network", "none", "IMAGE", "true"], "prune": ["image", "prune", "-a", "-f"],
    }

    def start(self):
        problem = super().start()
        if problem:
            return problem
        address = f"{self.inner}/docker.sock"
        self.client = ["docker", "-H", f"unix://{address}"]
        return self.daemon(
            ["dockerd", "--data-root", f"{self.inner}/data", "--exec-root", f"{self.inner}/exec", "--pidfile", f"{self.inner}/pid",
             "-H", f"unix://{address}", "--iptables=false", "--ip6tables=false", "--bridge=none"],
            lambda: (self.folder / "docker.sock").exists(), "dockerd")

    def prefix(self):
        # The client from PATH, where there is one: it talks to the socket, wherever it runs.
        own = shutil.which("docker")
        return [own, "-H", f"unix://{self.folder}/docker.sock"] if own else super().prefix() + self.client

    def reset(self):
        subprocess.run(
            ["sh", "-c", f"{' '.join(self.prefix())} image prune -a -f"], check=True, stdout=subprocess.DEVNULL)


class Containerd(Chrooted):
    verbs = {
        "pull": ["image", "pull", "--plain-http", "IMAGE"], "rm": ["image", "rm", "--sync", "IMAGE"], "ls": ["image", "ls"],
        "version": ["--version"], "true": ["run", "--rm", "--null-io", "IMAGE", "bench", "true"],
    }

    def start(self):
        problem = super().start()
        if problem:
            return problem
        address = f"{self.inner}/containerd.sock"
        self.client = ["ctr", "--address", address]
        return self.daemon(
            ["containerd", "--root", f"{self.inner}/data", "--state", f"{self.inner}/state", "--address", address],
            lambda: (self.folder / "containerd.sock").exists(), "containerd")

    def prefix(self):
        return super().prefix() + self.client

    def reset(self):
        listed = subprocess.run(self.prefix() + ["image", "ls", "-q"], check=True, capture_output=True, text=True).stdout.split()
        if listed:
            subprocess.run(self.prefix() + ["image", "rm", "--sync", *listed], check=True, stdout=subprocess.DEVNULL)


class Podman(Chrooted):
    verbs = {
        "pull": ["pull", "-q", "--tls-verify=false", "IMAGE"], "rm": ["rmi", "IMAGE"], "save": ["save", "-q", "IMAGE"],
        "load": ["load", "-q"], "ls": ["image", "ls"], "inspect": ["image", "inspect", "IMAGE"], "history": ["history", "IMAGE"],
        "version": ["--version"],
        "true": ["--runtime", "runc", "run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "IMAGE", "true"],
        "prune": ["image", "prune", "-a", "-f"],
    }

    def prefix(self):
        return super().prefix() + [
            "podman", "--root", f"{self.inner}/root", "--runroot", f"{self.inner}/run", "--storage-driver", "overlay",
            "--cgroup-manager", "cgroupfs", "--events-backend", "none"]

    def environment(self):
        return {**os.environ, "PODMAN_IGNORE_CGROUPSV1_WARNING": "1"}

    def reset(self):
        subprocess.run(self.prefix() + ["rmi", "-a", "-f"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Skopeo(Engine):
    remark = " (copies to an OCI layout, unpacks nothing)"

    def prefix(self):
        return ["skopeo"]

    @property
    def verbs(self):
        return {"pull": ["copy", "-q", "--src-tls-verify=false", "docker://IMAGE", f"oci:{self.folder}/layout:image"], "version": ["--version"]}

    def reset(self):
        shutil.rmtree(self.folder / "layout", ignore_errors=True)


def make(name, work, binary, registry):
    if name == "strata":
        return Strata(name, work, registry, binary)
    kinds = {"docker": Docker, "containerd": Containerd, "podman": Podman, "skopeo": Skopeo}
    return kinds[name](name, work, registry)
