#!/usr/bin/env python3
"""Times how long a container takes: `run --rm IMAGE true` of Strata, of podman and of docker, and the bare runtime on the
bundle that Strata prepared; without a network and on each tool's default one.

All use the same runtime. They run in turn, `--runs` times round, so that what else the machine does meets all of them
alike. A figure is the median; CPU is that of all processes that a run started, and of the daemon's.

    Benchmarks/startup.py --strata FILE [--runs N] [--json FILE]
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys

import engines
import measure
import peers
import place as places
from measure import Failure

NETWORKS = {"none": ["--network", "none"], "default": []}
# What issue 3 promises: milliseconds over the bare runtime, and times faster than the others.
OVERHEAD_MS, TIMES_FASTER = 40, 2.5


class Bare:
    """The runtime alone, on the bundle of a container that Strata keeps running."""
    name = "bare runtime"

    def __init__(self, strata, folder, network):
        arguments = ["run", "-d", *NETWORKS[network], "box", "sleep", "1000000"]
        identity = strata.quietly(strata.prefix() + arguments).strip()
        source = pathlib.Path(strata.environment()["STRATA_RUN_DIR"]) / "containers" / identity
        spec = json.loads((source / "config.json").read_text())
        spec["process"]["args"] = ["true"]
        spec["linux"]["cgroupsPath"] = f"/strata/bare-{network}"
        self.bundle, self.root, self.count = folder / f"bundle-{network}", folder / "bare", 0
        self.bundle.mkdir(parents=True, exist_ok=True)
        (self.bundle / "config.json").write_text(json.dumps(spec))
        self.runtime = strata.quietly(strata.prefix() + ["info", "-f", "{{.DefaultRuntime}}"]).strip()

    def arguments(self):
        self.count += 1
        return [self.runtime, "--root", str(self.root), "run", "--bundle", str(self.bundle), f"bare{self.count}"]


class BridgedDocker(peers.Docker):
    """docker with its default network, which the other benchmarks do without."""

    def daemon(self, arguments, ready, what):
        kept = [a for a in arguments if a not in ("--iptables=false", "--bridge=none")]
        super().daemon(kept + ["--bip", "172.31.255.1/24"], ready, what)

    def stop(self):
        super().stop()
        subprocess.run(["ip", "link", "del", "docker0"], capture_output=True, check=False, timeout=20)


class BridgedPodman(peers.Podman):
    """podman with its default network; the chroot has no nft, which its newest versions look for first."""

    def environment(self):
        return {**super().environment(), "NETAVARK_FW": "iptables"}


def make_image(folder):
    """A root file system of Debian's static busybox, as a tar that every tool imports."""
    tree = folder / "box"
    shutil.rmtree(tree, ignore_errors=True)
    for name in ("bin", "etc", "tmp"):
        (tree / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", tree / "bin/busybox")
    for name in ("true", "sleep", "sh"):
        (tree / "bin" / name).symlink_to("busybox")
    (tree / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    archive = folder / "box.tar"
    subprocess.run(["tar", "-C", str(tree), "--owner=0", "--group=0", "-cf", str(archive), "."], check=True, timeout=60)
    return archive


def run_arguments(engine, network):
    limits = peers.Podman.LIMITS if isinstance(engine, peers.Podman) else []
    return engine.prefix() + ["run", "--rm", *NETWORKS[network], *limits, "box", "true"]


def start(kind, place, archive, notes, *more):
    name = {engines.Strata: "strata", BridgedDocker: "docker", BridgedPodman: "podman"}[kind]
    engine = kind(name, place, lambda: [], *more)
    try:
        engine.start()
        engine.quietly(engine.prefix() + ["import", str(archive), "box"])
        return engine
    except (Failure, OSError, subprocess.SubprocessError) as failure:
        notes.append(f"{name} does not start: {failure}")
        engine.stop()
        return None


def time_all(binary, place, runs):
    """Measures everything; a dictionary of cases by network and tool, in seconds, and notes of what failed."""
    notes, cases = [], {}
    archive = make_image(place.store)
    strata = start(engines.Strata, place, archive, notes, binary)
    if strata is None:
        raise Failure(notes[0])
    others = [e for e in (start(BridgedDocker, place, archive, notes), start(BridgedPodman, place, archive, notes)) if e]
    bare = {network: Bare(strata, place.store, network) for network in NETWORKS}
    broken = set()
    try:
        for turn in range(runs + 1):
            for network in NETWORKS:
                lines = [(bare[network].name, bare[network].arguments(), None, [])] + [
                    (e.name, run_arguments(e, network), e.environment(), [d.pid for d in e.daemons]) for e in (strata, *others)]
                for name, arguments, environment, daemons in lines:
                    if (network, name) in broken:
                        continue
                    try:
                        sample = measure.command(arguments, environment, (), daemons, timeout=60, settled=True)
                    except Failure as failure:
                        broken.add((network, name))
                        notes.append(f"{name}, network {network}: {failure}")
                        continue
                    if turn > 0:  # the first one warms
                        cases.setdefault(network, {}).setdefault(name, []).append(sample)
    finally:
        containers = strata.quietly(strata.prefix() + ["ps", "-aq"]).split()
        strata.quietly(strata.prefix() + ["rm", "-f", *containers])
        strata.quietly(strata.prefix() + ["system", "prune", "-f"], check=False)
        for engine in (strata, *others):
            engine.stop()
    return {"runtime": bare["none"].runtime, "cases": {
        network: {name: {
            "wall": statistics.median(s.wall for s in samples), "fastest": min(s.wall for s in samples),
            "cpu": statistics.median(s.cpu for s in samples), "runs": len(samples),
        } for name, samples in tools.items()} for network, tools in cases.items()}, "notes": notes}


def verdicts(result):
    """What the figures say of the targets: a sentence each, and whether it is met."""
    said = []
    for network, tools in result["cases"].items():
        own = tools["strata"]["wall"]
        over = (own - tools[Bare.name]["wall"]) * 1000
        said.append((f"network {network}: {over:.0f} ms over the bare {result['runtime']} (target {OVERHEAD_MS})", over <= OVERHEAD_MS))
        for name in ("podman", "docker"):
            if name in tools:
                times = tools[name]["wall"] / own
                said.append((f"network {network}: {times:.2f} times faster than {name} (target {TIMES_FASTER})", times >= TIMES_FASTER))
    return said


def table(result):
    lines = [f"`run --rm IMAGE true`, runtime {pathlib.Path(result['runtime']).name}", "",
             "| network | tool | median ms | fastest ms | CPU ms | times Strata's |", "|---|---|---|---|---|---|"]
    for network, tools in result["cases"].items():
        for name, f in tools.items():
            ratio = f["wall"] / tools["strata"]["wall"]
            lines.append(f"| {network} | {name} | {f['wall'] * 1000:.0f} | {f['fastest'] * 1000:.0f} | {f['cpu'] * 1000:.0f} | {ratio:.2f} |")
    lines += [""] + [f"- {'met' if met else 'MISSED'}: {sentence}" for sentence, met in verdicts(result)]
    return "\n".join(lines + [f"- {note}" for note in result["notes"]]) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="Benchmarks/startup.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strata", required=True, help="the binary")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--work", default="/var/tmp/strata-startup", help="the peers are kept there between runs")
    parser.add_argument("--json", help="write the figures there, too")
    options = parser.parse_args()
    measure.adopt_orphans()
    place = places.Place(options.work, "memory")
    place.prepare()
    try:
        result = time_all(options.strata, place, options.runs)
    finally:
        place.clean()
    sys.stdout.write(table(result))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("PODMAN_IGNORE_CGROUPSV1_WARNING", "1")
    main()
