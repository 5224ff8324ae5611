#!/usr/bin/env python3
"""Times Strata beside its peers, in one run, and writes results/DATE.md and .json. See `Benchmarks/run --help`.

A round runs each case for each tool in turn, so that what else the machine does meets all of them alike. The first round
runs everything; further rounds repeat what varies most, while there is time. The page cache is warm; the registry is
docker-registry on loopback, for all.
"""
import argparse
import os
import pathlib
import signal
import subprocess
import sys
import time

import cases
import engines as tools
import floors
import link
import measure
import peers
import place as places
import results as outcome
from origin import Layout, Registry

HERE = pathlib.Path(__file__).resolve().parent
# What the benchmarks in files of their own (start-up of containers, the registry) may take, each.
FURTHER_SECONDS = 240
TOOLS = ["strata", "docker", "docker-containerd", "containerd", "podman", "skopeo", "umoci"]
KINDS = {
    "docker": peers.Docker, "docker-containerd": peers.DockerContainerd, "containerd": peers.Containerd, "podman": peers.Podman,
    "skopeo": tools.Skopeo, "umoci": tools.Umoci,
}


def parse():
    parser = argparse.ArgumentParser(
        prog="Benchmarks/run", description="Times Strata beside its peers and writes Benchmarks/results/DATE.md and .json.",
        epilog="Cases: " + "; ".join(f"{name} ({text})" for name, (text, _, _) in cases.CASES.items()))
    several = {"action": "extend", "type": lambda text: text.split(",")}
    parser.add_argument("--case", choices=None, help="only these cases (comma-separated, or repeated)", **several)
    parser.add_argument("--tool", help=f"only these tools of: {', '.join(TOOLS)}", **several)
    parser.add_argument("--image", help=f"only these images of: {', '.join(cases.ALL)}", **several)
    parser.add_argument("--repeat", type=int, default=3, help="rounds at most (3)")
    parser.add_argument("--quick", action="store_true", help="one round of pull, rm, version and run on alpine and manyfiles")
    parser.add_argument("--minutes", type=float, default=19, help="begin no case after that many minutes (19); the rest ends within 8")
    parser.add_argument("--store", choices=["memory", "disk"], default="memory", help="where the stores are (memory: ext4 over tmpfs)")
    parser.add_argument("--work", default="/var/tmp/strata-bench", help="images and peers are kept there between runs")
    parser.add_argument("--strata", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--label", default=time.strftime("%Y-%m-%d"), help="name of the results (the date)")
    options = parser.parse_args()
    if options.quick:
        options.repeat = 1
        options.case = options.case or ["version", "pull", "rm", "run"]
        options.image = options.image or ["alpine", "manyfiles"]
    for name, known in (("case", list(cases.CASES)), ("tool", TOOLS), ("image", cases.ALL)):
        chosen = getattr(options, name) or known
        if unknown := [word for word in chosen if word not in known]:
            parser.error(f"no {name} is called {unknown[0]}: there are {', '.join(known)}")
        setattr(options, name, [word for word in known if word in chosen])
    return options


def make_images(options, work, results):
    """Makes what is not there yet. An image that cannot be made is left out, and said to be."""
    for image in dict.fromkeys(["alpine", *options.image]):
        try:
            subprocess.run(
                [HERE / "make-images", work, image], check=True, stdin=subprocess.DEVNULL, timeout=1800)
        except (OSError, subprocess.SubprocessError) as failure:
            results.fail(f"making the image {image}", "make-images", str(failure))
            options.image = [name for name in options.image if name != image]


def fill(registry, work, images):
    for image in images:
        registry.push(work / image, f"{image}:latest")
    if "python" in images:
        python, alpine = Layout(work / "python"), work / "alpine"
        registry.push(python.derive(work / "python-base", drop=1), "python:base")
        registry.push(python.derive(work / "python-sibling", drop=1, added=Layout(alpine)), "python:sibling")


def start_engines(options, place, excluded, results):
    made = []
    for name in options.tool:
        engine = None
        try:
            engine = tools.Strata(name, place, excluded, options.strata) if name == "strata" else KINDS[name](name, place, excluded)
            engine.start()
            engine.known_version = engine.version()
            made.append(engine)
        except (measure.Failure, OSError, subprocess.SubprocessError) as failure:
            results.fail("start", name, str(failure))
            if engine:
                engine.stop()
    return made


def write(options, results, engines, notes):
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{options.label}.md").write_text(outcome.report(results, engines, notes))
    (folder / f"{options.label}.json").write_text(outcome.as_json(results, engines, notes))
    return folder / f"{options.label}.md"


def main():
    options = parse()
    measure.adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    place, results = places.Place(options.work, options.store), outcome.Results()
    work = place.work
    make_images(options, work, results)
    origin = Registry(work / "registry")
    engines = everyone = []
    try:
        place.prepare()
        if place.problem:
            results.fail("chroot", "peers", place.problem)
        origin.start()
        fill(origin, work, options.image)
        origin.warm()
        options.deadline = time.monotonic() + options.minutes * 60
        everyone = start_engines(options, place, lambda: [origin.process.pid, *results.extra_excluded], results)
        engines = list(everyone)
        notes = describe(options, place, engines)
        runner = cases.Runner(options, place, engines, origin, results, link.delayed)
        for number in range(1, options.repeat + 1):
            for image in options.image:
                if "pull" in options.case and time.monotonic() < options.deadline:
                    results.add_floor(image, floors.measure(Layout(work / image), place.store, origin, image))
            runner.one_round(number)
            write(options, results, everyone, notes)
    finally:
        for engine in engines:
            engine.stop()
        origin.stop()
        link.clean()
        for pid in measure.direct_children():
            measure.stop_tree(pid)
        place.clean()
    if set(options.case) == set(cases.CASES):
        further("startup.py", ["--work", str(work)], options, results)
        further("registry.py", [], options, results)
    print(write(options, results, everyone, notes).read_text())


def describe(options, place, engines):
    unsynced = [engine.name for engine in engines if engine.can("pull") and not engine.syncs]
    return [
        f"{os.cpu_count()} cores, Linux {os.uname().release}, load {os.getloadavg()[0]:.1f} at the start; medians; {place.describe()}.",
        "Strata syncs every blob and layer before it says `Pull complete`."
        + (f" These do not sync the files that they unpack: {', '.join(unsynced)}." if unsynced else ""),
        f"The slow link is {link.describe()}.",
        "CPU and memory are the tool's and its daemons' together; peers enter a mount namespace first, which costs about 1 ms.",
    ]


def further(script, arguments, options, results):
    """A benchmark that stands in a file of its own prints a section of the report."""
    file = HERE / script
    if not file.exists():
        return
    try:
        child = subprocess.Popen(
            [sys.executable, file, "--strata", options.strata, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        try:
            text, complaint = child.communicate(timeout=FURTHER_SECONDS)
        except subprocess.TimeoutExpired:
            measure.stop_tree(child.pid)
            raise measure.Failure(f"took more than {FURTHER_SECONDS} s") from None
        if child.returncode != 0:
            raise measure.Failure(f"ended with {child.returncode}: {complaint[-600:]}")
        results.sections.append(text.strip() if text.startswith("#") else f"## {script}\n\n{text.strip()}")
    except (measure.Failure, OSError) as failure:
        results.fail(script, "strata", str(failure))


if __name__ == "__main__":
    main()
