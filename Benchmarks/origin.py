"""Where the images come from: docker-registry on loopback, the same for all tools, and images derived from those made."""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time

import measure


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise measure.Failure(f"{what} did not start within {seconds} s")
        time.sleep(0.05)


def can_connect(address):
    host, port = address.split(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


class Registry:
    """docker-registry over a folder. `prefix` runs it elsewhere (a network namespace)."""

    def __init__(self, folder, address=None, prefix=()):
        self.folder, self.prefix = folder, list(prefix)
        self.address = address or f"127.0.0.1:{free_port()}"
        self.process = None
        # What carries its packets, where something of ours does.
        self.relay = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / f"config-{self.address}.yml"
        config.write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.folder}/data}}}}\nhttp: {{addr: '{self.address}'}}\n")
        self.process = subprocess.Popen(
            self.prefix + ["docker-registry", "serve", str(config)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL)
        wait_for(lambda: can_connect(self.address), "docker-registry")
        return self

    def stop(self):
        if self.process:
            measure.stop_tree(self.process.pid)
            self.process = None

    def push(self, layout, name, tag="latest"):
        subprocess.run(
            ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}:{tag}", f"docker://{self.address}/{name}"],
            check=True, timeout=300, stdin=subprocess.DEVNULL)

    def warm(self):
        """Brings the blobs into the page cache."""
        subprocess.run(
            ["find", str(self.folder / "data"), "-type", "f", "-name", "data", "-exec", "cat", "{}", "+"], stdout=subprocess.DEVNULL, timeout=120)


class Layout:
    """An OCI layout with one image, as umoci writes it."""

    def __init__(self, folder):
        self.folder = folder
        index = json.loads((folder / "index.json").read_text())
        self.manifest = self.read(index["manifests"][0]["digest"])
        self.config = self.read(self.manifest["config"]["digest"])

    def path(self, digest):
        return self.folder / "blobs" / digest.replace(":", "/")

    def read(self, digest):
        return json.loads(self.path(digest).read_text())

    def write(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.path(digest).write_bytes(data)
        return digest, len(data)

    @property
    def layers(self):
        return [layer["digest"] for layer in self.manifest["layers"]]

    def derive(self, folder, drop, added=None):
        """The same image without its last `drop` layers and with those of another layout: linked, not copied."""
        if folder.exists():
            shutil.rmtree(folder)
        shutil.copytree(self.folder, folder, copy_function=os.link)
        made = Layout(folder)
        manifest, config = made.manifest, made.config
        keep = len(manifest["layers"]) - drop
        manifest["layers"], config["rootfs"]["diff_ids"] = manifest["layers"][:keep], config["rootfs"]["diff_ids"][:keep]
        if added:
            for descriptor in added.manifest["layers"]:
                if not made.path(descriptor["digest"]).exists():
                    shutil.copy(added.path(descriptor["digest"]), made.path(descriptor["digest"]))
            manifest["layers"] += added.manifest["layers"]
            config["rootfs"]["diff_ids"] += added.config["rootfs"]["diff_ids"]
        config["history"] = [{"created_by": f"layer {n}"} for n in range(len(manifest["layers"]))]
        config["config"] = {**config.get("config", {}), "Labels": {"derived": folder.name}}
        digest, size = made.write(json.dumps(config).encode())
        manifest["config"] = {**manifest["config"], "digest": digest, "size": size}
        digest, size = made.write(json.dumps(manifest).encode())
        index = json.loads((folder / "index.json").read_text())
        index["manifests"][0] |= {"digest": digest, "size": size}
        (folder / "index.json").unlink()  # it is a link: the first one stays as it is
        (folder / "index.json").write_text(json.dumps(index))
        return folder
