"""What a command costs: wall time, CPU seconds, peak memory, bytes written; its own and its daemons'."""
import dataclasses
import os
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Sample:
    wall: float
    cpu: float
    peak: int
    written: int


def descendants(roots):
    """The processes of these trees that live now."""
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


def daemon_state(pids):
    """CPU seconds (children that ended included), peak memory and bytes written of the daemons' trees."""
    cpu = peak = written = 0
    for pid in descendants(pids):
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            cpu += sum(int(fields[index]) for index in (11, 12, 13, 14)) / TICK
            with open(f"/proc/{pid}/status") as file:
                for line in file:
                    if line.startswith("VmHWM"):
                        peak += int(line.split()[1]) << 10
            with open(f"/proc/{pid}/io") as file:
                for line in file:
                    if line.startswith("write_bytes"):
                        written += int(line.split()[1])
        except (FileNotFoundError, ProcessLookupError):
            pass
    return cpu, peak, written


def reset_peaks(pids):
    for pid in descendants(pids):
        try:
            with open(f"/proc/{pid}/clear_refs", "w") as file:
                file.write("5")
        except OSError:
            pass


def command(arguments, environment=None, daemons=(), stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL):
    """Runs a command to its end and says what it cost; fails where it fails."""
    reset_peaks(daemons)
    cpu_before, _, written_before = daemon_state(daemons)
    started = time.monotonic()
    child = subprocess.Popen(
        [str(a) for a in arguments], env=environment, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE)
    # The pipe is small talk only: what a tool prints as progress fits, or is read as it comes.
    complaint = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed with {child.returncode}: {complaint.decode()[-2000:]}")
    cpu_after, peak, written_after = daemon_state(daemons)
    return Sample(
        wall=wall, cpu=usage.ru_utime + usage.ru_stime + cpu_after - cpu_before, peak=(usage.ru_maxrss << 10) + peak,
        written=usage.ru_oublock * 512 + written_after - written_before)
