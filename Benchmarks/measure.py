"""What a command costs: wall time, CPU seconds, peak memory, bytes written; its own and its daemons' together.

The benchmark is the subreaper of all that it starts, so that a shim or monitor that leaves its parent is still counted.
"""
import ctypes
import dataclasses
import os
import pathlib
import resource
import select
import signal
import subprocess
import tempfile
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


class Failure(Exception):
    """A command that failed or took too long; the text says which and what it complained about."""


@dataclasses.dataclass
class Sample:
    wall: float
    cpu: float = 0.0
    peak: int = 0
    written: int = 0

    def __add__(self, other):
        """One after the other."""
        return Sample(self.wall + other.wall, self.cpu + other.cpu, max(self.peak, other.peak), self.written + other.written)


def adopt_orphans():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(roots):
    """The processes of these trees that live now, roots included."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    children.setdefault(int(file.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                pass
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


class Meter:
    """Counts what everything below this process costs, the trees of `excluded` (the registries) apart."""

    def __init__(self, excluded=(), daemons=()):
        self.excluded, self.daemons = list(excluded), list(daemons)
        for pid in descendants(self.daemons):
            try:
                with open(f"/proc/{pid}/clear_refs", "w") as file:
                    file.write("5")
            except OSError:
                pass
        self.start = self._state()
        self.started = time.monotonic()

    def finish(self, wall=None, peak=0):
        wall = time.monotonic() - self.started if wall is None else wall
        cpu, written = self._state()
        return Sample(wall, max(0.0, cpu - self.start[0]), peak + self._peak(), max(0, written - self.start[1]))

    def _state(self):
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu, written = usage.ru_utime + usage.ru_stime, usage.ru_oublock * 512
        skipped = set(descendants(self.excluded))
        for pid in descendants([os.getpid()]):
            if pid == os.getpid() or pid in skipped:
                continue
            try:
                with open(f"/proc/{pid}/stat") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                cpu += sum(int(fields[index]) for index in (11, 12, 13, 14)) / TICK
                with open(f"/proc/{pid}/io") as file:
                    written += next(int(line.split()[1]) for line in file if line.startswith("write_bytes"))
            except (OSError, StopIteration):
                pass
        return cpu, written

    def _peak(self):
        peak = 0
        for pid in descendants(self.daemons):
            try:
                with open(f"/proc/{pid}/status") as file:
                    peak += next((int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM")), 0)
            except OSError:
                pass
        return peak


def reap():
    """Takes the exit status of orphans that ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def settle(known, seconds=2.0):
    """Waits until what a command left behind (a shim that cleans up) has ended."""
    deadline = time.monotonic() + seconds
    while True:
        reap()
        left = [pid for pid in direct_children() if pid not in known]
        if not left or time.monotonic() > deadline:
            return
        time.sleep(0.005)


def direct_children():
    own = os.getpid()
    with open(f"/proc/{own}/task/{own}/children") as file:
        return [int(pid) for pid in file.read().split()]


def stop_tree(pid):
    """Ends a process and all that it started, first asking."""
    for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        alive = [p for p in descendants([pid]) if os.path.exists(f"/proc/{p}")]
        for process in alive:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            reap()
            alive = [p for p in alive if _runs(p)]
            if not alive:
                return
            time.sleep(0.02)


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def command(arguments, environment=None, excluded=(), daemons=(), timeout=300.0, until_output=False, settled=False):
    """Runs a command to its end and says what it cost; fails where it fails.

    `time` starts it, because a child of this big process would be charged with our memory. With `until_output` the wall
    time ends with the first byte on standard output. With `settled` what it leaves behind is waited for (and counted).
    """
    known = set(direct_children())
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/complaint", "w+b") as complaint:
        meter = Meter(excluded, daemons)
        child = subprocess.Popen(
            ["time", "-q", "-f", "%M", "-o", f"{folder}/peak", "--", *map(str, arguments)], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if until_output else subprocess.DEVNULL, stderr=complaint)
        wall = _first_byte(child, timeout) if until_output else None
        status = _wait(child, timeout)
        wall = time.monotonic() - meter.started if wall is None else wall
        if status != 0:
            complaint.seek(0)
            text = complaint.read()[-1500:].decode(errors="replace").strip()
            what = f"took more than {timeout:.0f} s" if status is None else f"failed with {status}"
            raise Failure(f"`{' '.join(map(str, arguments))}` {what}: {text}")
        if settled:
            settle(known)
        peak = int(pathlib.Path(folder, "peak").read_text().split()[-1]) << 10
        return meter.finish(wall, peak)


def _first_byte(child, timeout):
    """Seconds until its first output; what follows is read and dropped."""
    started = time.monotonic()
    first = None
    while time.monotonic() - started < timeout:
        if select.select([child.stdout], [], [], 1.0)[0]:
            data = os.read(child.stdout.fileno(), 65536)
            first = time.monotonic() - started if first is None and data else first
            if not data:
                break
    child.stdout.close()
    return first


def _wait(child, timeout):
    """Its exit status; nothing where it took too long. A blocking wait: `wait(timeout)` polls every 50 ms."""
    late = threading.Event()

    def end():
        late.set()
        stop_tree(child.pid)

    watchdog = threading.Timer(timeout, end)
    watchdog.start()
    try:
        status = child.wait()
    finally:
        watchdog.cancel()
    return None if late.is_set() else status
