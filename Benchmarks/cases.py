"""The cases. A round runs them all, each for every tool in turn; what one tool fails at is noted and does not stop the rest."""
import os
import pathlib
import select
import shutil
import subprocess
import time

import many
import measure
from measure import Failure
from origin import Registry

ALL = ["alpine", "python", "manyfiles", "bigfile"]
# What each case measures, on which images, and whether it is repeated in the further rounds.
CASES = {
    "version": ("start-up of the program itself", ["alpine"], True),
    "pull": ("cold pull", ALL, True),
    "unsynced": ("cold pull by strata with its syncs taken out, to compare with the floor, which has none", ["python", "manyfiles", "bigfile"], True),
    "disk": ("disk used after the pull", ALL, False),
    "inspect": ("image inspect", ["python"], False),
    "history": ("history", ["python"], False),
    "run": ("run --rm true, warm", ["alpine"], False),
    "tree": ("find, read all and small buffered reads in a container", ["python", "manyfiles"], False),
    "save": ("save to an archive", ["alpine", "python"], False),
    "push": ("push to an empty registry", ["alpine", "python"], False),
    "rm": ("rm; strata's keeps the bytes a day for undo, so `rm and free` is its `rm --now`", ALL, True),
    "load": ("load of what was saved", ["alpine", "python"], False),
    "first": ("first container from cold: pull and run to the first output", ["alpine", "python"], False),
    "last": ("pull when all layers but the last are here", ["python"], False),
    "pair": ("pull of two images that share layers, at once", ["python"], False),
    "link": ("cold pull over 1 Gbit/s with 20 ms delay", ["python"], False),
    "ls": ("image ls with 1,000 images", ["alpine"], False),
    "prune": ("prune of 100 images, space freed", ["alpine"], False),
}
# They show what docker shows, overlay on unpacked directories, through the same kernel: looked at once.
SAME_OVERLAY = {"docker-containerd", "containerd"}
# A short command is repeated so often, or for so long.
WARM_REPEATS = 9
WARM_SECONDS = 4


class Runner:
    def __init__(self, options, place, engines, origin, results, link):
        self.options, self.place, self.engines, self.origin, self.results, self.link = options, place, engines, origin, results, link
        self.round = 1

    def wants(self, case, image):
        _, images, again = CASES[case]
        return case in self.options.case and image in images and image in self.options.image and (again or self.round == 1)

    def one_round(self, number):
        self.round = number
        # The short ones first: should the time end, what is left out are variations of the pull.
        self.in_turn("version", self.start_up, "alpine", of="version")
        self.in_turn("ls", self.list_many, "alpine", of="ls")
        self.in_turn("prune", self.prune_many, "alpine", of="prune")
        for image in self.options.image:
            if self.wants("pull", image) or any(
                    self.wants(case, image) for case in ("disk", "inspect", "history", "run", "tree", "save", "push", "rm", "load")):
                self.in_turn(f"images: {image}", self.cycle, image)
        for case in ("unsynced", "first", "last", "pair", "link"):
            for image in self.options.image:
                if self.wants(case, image):
                    self.in_turn(f"{case} {image}", getattr(self, f"case_{case}"), image)

    def in_turn(self, what, body, image, of=None):
        """Runs a body for each tool. A failure is noted, and the tool starts again on an empty store."""
        if of and not self.wants(of, image):
            return
        for engine in list(self.engines):
            left = self.options.deadline - time.monotonic()
            if left < self.results.expected(what, engine.name):
                self.results.leave_out(what, engine.name, "no time was left")
                continue
            started = time.monotonic()
            try:
                engine.reset()
                body(engine, image)
                engine.reset()
            except (Failure, OSError, subprocess.SubprocessError, ValueError) as failure:
                self.results.fail(what, engine.name, str(failure))
                self.recover(engine)
            self.results.took(what, engine.name, time.monotonic() - started)

    def recover(self, engine):
        try:
            engine.restart()
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            self.results.fail("restart", engine.name, str(failure))
            engine.stop()
            self.engines.remove(engine)

    def attempt(self, case, image, engine, body):
        """One sample; its failure is noted and the cycle goes on."""
        try:
            self.results.add(case, image, engine.name, body())
            return True
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            self.results.fail(f"{case} {image}", engine.name, str(failure))
            return False

    def cycle(self, engine, image):
        """An image's life in one store, so that each case finds what the one before left."""
        name = f"{self.origin.address}/{image}:latest"
        if engine.can("pull"):
            empty = engine.used() if self.wants("disk", image) else 0
            sample = engine.run("pull", name)
            if self.wants("pull", image):
                self.results.add("pull", image, engine.name, sample)
            if self.wants("disk", image):
                self.results.add("disk", image, engine.name, measure.Sample(0, 0, 0, engine.used() - empty))
        else:
            engine.bring(name)
        for case, verb in (("inspect", "inspect"), ("history", "history"), ("run", "true")):
            if self.wants(case, image) and engine.can(verb):
                self.warm(case, image, engine, lambda verb=verb: engine.run(verb, name, settled=verb == "true"))
        if self.wants("tree", image) and engine.can("shell") and engine.name not in SAME_OVERLAY:
            self.tree(engine, image, name)
        saved = engine.folder / "saved.tar"
        kept = False
        if (self.wants("save", image) or self.wants("load", image)) and engine.can("save"):
            try:
                sample = engine.run("save", name, saved)
                kept = True
                if self.wants("save", image):
                    self.results.add("save", image, engine.name, sample)
            except Failure as failure:
                self.results.fail(f"save {image}", engine.name, str(failure))
        if self.wants("push", image) and engine.can("push"):
            self.push(engine, image, name)
        if self.wants("rm", image) and engine.can("rm"):
            self.remove(engine, image, name)
        if kept:
            saved = saved.rename(self.place.store / f"saved-{engine.name}.tar")
            engine.reset()
            if self.wants("load", image) and engine.can("load"):
                self.attempt("load", image, engine, lambda: engine.run("load", name, saved))
            saved.unlink()

    def remove(self, engine, image, name):
        try:
            removed, freed = engine.remove(name)
            self.results.add("rm", image, engine.name, removed)
            self.results.add("rm and free", image, engine.name, freed)
        except (Failure, OSError, subprocess.SubprocessError) as failure:
            self.results.fail(f"rm {image}", engine.name, str(failure))

    def warm(self, case, image, engine, body):
        """A short command, often: the first one warms."""
        try:
            body()
        except (Failure, subprocess.SubprocessError) as failure:
            self.results.fail(f"{case} {image}", engine.name, str(failure))
            return
        until = time.monotonic() + WARM_SECONDS
        for _ in range(WARM_REPEATS):
            if not self.attempt(case, image, engine, body) or time.monotonic() > until:
                return

    def push(self, engine, image, name):
        target = Registry(self.place.store / "sink")
        target.start()
        try:
            self.attempt("push", image, engine, lambda: self.excluding(target, lambda: engine.push(name, f"{target.address}/pushed/{image}:latest")))
        finally:
            target.stop()
            subprocess.run(["rm", "-rf", str(target.folder)], check=False)

    def excluding(self, registry, body):
        self.results.extra_excluded += [process.pid for process in (registry.process, registry.relay) if process]
        try:
            return body()
        finally:
            self.results.extra_excluded.clear()

    def tree(self, engine, image, name):
        with Shell(engine, name) as shell:
            questions = {
                "find": "find / -xdev | wc -l",
                "read all": "find / -xdev -type f -exec cat {} + | wc -c",
            }
            for what, question in questions.items():
                drop_caches()
                for heat in ("cold", "warm"):
                    if not self.attempt(f"{what}, {heat}", image, engine, lambda: shell.ask(question)):
                        return
            # Sorted: each file system lists its directories in an order of its own, and all must read the same files.
            self.attempt("reads of 4 KiB, warm", image, engine, lambda: shell.ask(
                "find /usr -xdev -type f -size +200k | sort | head -n 200 | while read f; do dd if=\"$f\" bs=4096 2>/dev/null; done | wc -c"))
        self.origin.warm()

    def start_up(self, engine, image):
        if engine.can("version"):
            self.warm("version", image, engine, lambda: engine.run("version"))

    def case_first(self, engine, image):
        if engine.can("first") and image != "bigfile":
            name = f"{self.origin.address}/{image}:latest"
            self.results.add("first", image, engine.name, engine.run("first", name, until_output=True, settled=True))

    def case_unsynced(self, engine, image):
        if engine.can("unsynced"):
            self.results.add("unsynced", image, engine.name, engine.run("unsynced", f"{self.origin.address}/{image}:latest"))

    def case_last(self, engine, image):
        if engine.can("pull"):
            engine.run("pull", f"{self.origin.address}/{image}:base")
            self.results.add("last", image, engine.name, engine.run("pull", f"{self.origin.address}/{image}:latest"))

    def case_pair(self, engine, image):
        if engine.can("pull") and engine.name != "skopeo":  # two of them cannot write one layout
            pulls = [engine.arguments("pull", f"{self.origin.address}/{image}:{tag}") for tag in ("latest", "sibling")]
            self.results.add("pair", image, engine.name, engine.run_together(pulls))

    def case_link(self, engine, image):
        if engine.can("pull"):
            with self.link(self.origin.folder) as registry:
                self.results.add("link", image, engine.name, self.excluding(
                    registry, lambda: engine.run("pull", f"{registry.address}/{image}:latest")))

    def fill(self, engine, count, own_layers):
        made = many.archives(self.place.work, count, own_layers)
        if engine.can("load"):
            archive = pathlib.Path(shutil.copy(made[engine.archive], self.place.store))  # seen from the chroot, too
            engine.run("load", "", archive, timeout=100)
            archive.unlink()
        else:
            folder = engine.folder / "layout"
            folder.mkdir(parents=True, exist_ok=True)
            engine.quietly(["tar", "-xf", made["oci"], "-C", folder])

    def list_many(self, engine, image):
        if engine.can("ls"):
            self.fill(engine, 1000, own_layers=False)
            self.warm("ls", image, engine, lambda: engine.run("ls"))

    def prune_many(self, engine, image):
        if engine.can("prune") and engine.name != "umoci":
            self.fill(engine, 100, own_layers=True)
            self.attempt("prune", image, engine, lambda: engine.run("prune"))


class Shell:
    """A shell in a container, asked through its standard input: what is measured has no start of a container in it."""

    def __init__(self, engine, name):
        self.engine, self.name = engine, name

    def __enter__(self):
        self.known = set(measure.direct_children())
        self.process = subprocess.Popen(
            [str(a) for a in self.engine.arguments("shell", self.name)], env=self.engine.environment(), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.ask("true", seconds=30)
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            measure.stop_tree(self.process.pid)
        self.process.stdout.close()
        measure.settle(self.known)

    def ask(self, question, seconds=120):
        meter = measure.Meter(self.engine.excluded())
        self.process.stdin.write(f"{question}; echo END-OF-ANSWER\n".encode())
        self.process.stdin.flush()
        answer, deadline = b"", time.monotonic() + seconds
        while b"END-OF-ANSWER" not in answer:
            if not select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Failure(f"the shell in `{self.name}` did not answer within {seconds} s")
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                raise Failure(f"the shell in `{self.name}` ended")
            answer += data
        return meter.finish()


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
