"""The tools that are compared, each with an empty store of its own. Here: what they share, and those that need no daemon."""
import os
import pathlib
import shlex
import shutil
import subprocess

import measure
from measure import Failure

DOCKERISH = {
    "pull": ["pull", "-q", "IMAGE"], "rm": ["rmi", "IMAGE"], "save": ["save", "-o", "FILE", "IMAGE"], "load": ["load", "-q", "-i", "FILE"],
    "ls": ["image", "ls"], "inspect": ["image", "inspect", "IMAGE"], "history": ["history", "IMAGE"], "version": ["version"],
    "push": ["push", "-q", "IMAGE"], "tag": ["tag", "IMAGE", "FILE"], "prune": ["image", "prune", "-a", "-f"],
    "true": ["run", "--rm", "--network", "none", "IMAGE", "true"],
    "first": ["run", "--rm", "--network", "none", "IMAGE", "echo", "ready"],
    "shell": ["run", "--rm", "-i", "--network", "none", "IMAGE", "sh"],
}


class Engine:
    """A tool with a store of its own. `verbs` maps what a case asks for to arguments; IMAGE and FILE stand for its operands."""
    remark = ""
    syncs = False
    verbs = {}
    archive = "docker"

    def __init__(self, name, place, excluded):
        """`excluded`: processes whose cost is nobody's (the registries)."""
        self.name, self.place, self.excluded = name, place, excluded
        self.folder = place.store / name
        self.daemons = []

    def start(self):
        """Starts what it needs, on an empty store."""
        self._empty()

    def stop(self):
        for daemon in reversed(self.daemons):
            measure.stop_tree(daemon.pid)
        self.daemons = []

    def _empty(self):
        if self.folder.exists():
            subprocess.run(["rm", "-rf", "--one-file-system", str(self.folder)], check=False, timeout=120)
        self.folder.mkdir(parents=True, exist_ok=True)

    def restart(self):
        self.stop()
        self.place.unmount_below(self.folder)
        self.start()

    def can(self, verb):
        return verb in self.verbs

    def prefix(self):
        return []

    def environment(self):
        return None

    def arguments(self, verb, image="", file=""):
        return self.prefix() + [part.replace("IMAGE", image).replace("FILE", str(file)) for part in self.verbs[verb]]

    def run(self, verb, image="", file="", timeout=240.0, until_output=False, settled=False):
        return self.measure(self.arguments(verb, image, file), timeout, until_output, settled)

    def run_together(self, commands, timeout=300.0):
        """Several at once, as one sample."""
        lines = [shlex.join(map(str, arguments)) + " & set -- \"$@\" $!" for arguments in commands]
        script = "; ".join(line.replace(" & set", " > /dev/null & set") for line in lines)
        return self.measure(["sh", "-c", f"{script}; for p; do wait $p || exit 1; done", "sh"], timeout)

    def measure(self, arguments, timeout=240.0, until_output=False, settled=False):
        self.place.settle()
        return measure.command(
            arguments, self.environment(), self.excluded(), [d.pid for d in self.daemons], timeout, until_output, settled)

    def quietly(self, arguments, timeout=120, check=True):
        done = subprocess.run(
            [str(a) for a in arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.environment(), timeout=timeout)
        if check and done.returncode != 0:
            raise Failure(f"`{' '.join(map(str, arguments))}` failed with {done.returncode}: {done.stderr[-800:].strip()}")
        return done.stdout

    def reset(self):
        """Leaves no image, layer or container behind."""
        raise NotImplementedError

    def remove(self, image):
        """Removes an image: what the command costs, and what it costs until the space is free."""
        sample = self.run("rm", image)
        return sample, sample

    def push(self, image, target):
        """Pushes an image, that is here under `image`, to another registry."""
        self.quietly(self.arguments("tag", image, target))
        try:
            return self.run("push", target)
        finally:
            self.quietly(self.arguments("rm", target), check=False)

    def used(self):
        """Bytes on disk of its store."""
        done = subprocess.run(["du", "-s", "-B1", str(self.folder)], capture_output=True, text=True, timeout=120)
        return int(done.stdout.split()[0])

    def version(self):
        lines = self.quietly(self.prefix() + ["--version"], check=False).strip().splitlines()
        return lines[0] if lines else "unknown version"


class Strata(Engine):
    syncs = True
    # What it removes stays for a day, for undo: with `--now` it frees the space at once, as the peers do.
    verbs = {**DOCKERISH, "prune": ["image", "prune", "-a", "-f", "--now"], "unsynced": DOCKERISH["pull"]}

    def __init__(self, name, place, excluded, binary):
        super().__init__(name, place, excluded)
        self.binary = str(pathlib.Path(binary).resolve())

    def prefix(self):
        return [self.binary]

    def arguments(self, verb, image="", file=""):
        # No sync of the program reaches the disk: what they cost, measured apart.
        preload = ["env", "LD_PRELOAD=libeatmydata.so"] if verb == "unsynced" else []
        return preload + super().arguments(verb, image, file)

    def environment(self):
        return {
            **os.environ, "STRATA_ROOT": str(self.folder / "root"), "STRATA_RUN_DIR": str(self.folder / "run"),
            "CONTAINERS_REGISTRIES_CONF": str(self.place.registries_conf)}

    def remove(self, image):
        removed = self.run("rm", image)
        self.quietly(self.prefix() + ["image", "undo"])
        return removed, self.measure(self.prefix() + ["rmi", "--now", image])

    def reset(self):
        self.place.unmount_below(self.folder)
        self._empty()


class Skopeo(Engine):
    """Copies to an OCI layout; unpacks nothing."""
    remark = " (copies to an OCI layout, unpacks nothing)"
    syncs = True

    def prefix(self):
        return [self.place.tool("skopeo")]

    @property
    def verbs(self):
        layout = f"oci:{self.folder}/layout:image"
        return {
            "pull": ["copy", "-q", "--src-tls-verify=false", "docker://IMAGE", layout], "save": ["copy", "-q", layout, "oci-archive:FILE"],
            "load": ["copy", "-q", "oci-archive:FILE", layout], "inspect": ["inspect", layout], "history": ["inspect", "--config", layout],
            "push": ["copy", "-q", "--dest-tls-verify=false", layout, "docker://IMAGE"], "version": ["--version"],
        }

    def push(self, image, target):
        return self.run("push", target)

    def reset(self):
        shutil.rmtree(self.folder / "layout", ignore_errors=True)


class Umoci(Engine):
    """Works on an OCI layout that skopeo brought; has no pull of its own."""
    remark = " (works on an OCI layout; skopeo brings the image)"
    archive = "oci"

    def prefix(self):
        return [self.place.tool("umoci")]

    @property
    def verbs(self):
        layout = f"{self.folder}/layout"
        return {
            "history": ["stat", "--image", f"{layout}:image"], "ls": ["list", "--layout", layout], "version": ["--version"],
            "rm": ["remove", "--image", f"{layout}:image"], "prune": ["gc", "--layout", layout],
        }

    def bring(self, image):
        self.quietly([
            self.place.tool("skopeo"), "copy", "-q", "--src-tls-verify=false", f"docker://{image}", f"oci:{self.folder}/layout:image"])

    def remove(self, image):
        sample = self.run("rm", image)
        return sample, sample + self.run("prune")  # the blobs stay until it collects them

    def reset(self):
        shutil.rmtree(self.folder / "layout", ignore_errors=True)
