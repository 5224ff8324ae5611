#!/usr/bin/env python3
"""Times Strata beside its peers, in one run, and writes results/DATE.md and .json.

Each case runs for each tool in turn, `--runs` times round, so that what else the machine does meets all of them alike.
A figure is the median. CPU seconds and peak memory are the tool's and its daemons' together. Page cache is warm; the
registry is docker-registry on loopback, for all.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

import floors
import tools

HERE = pathlib.Path(__file__).resolve().parent
IMAGES = ["alpine", "python", "manyfiles", "bigfile"]


class Results:
    """Every measurement of a run, by case and tool."""

    def __init__(self):
        self.cases = {}

    def add(self, case, tool, sample):
        self.cases.setdefault(case, {}).setdefault(tool, []).append(sample)
        print(f"{case:34} {tool:16} {sample.wall:8.3f} s  {sample.cpu:7.2f} CPU s  {sample.peak >> 20:5} MiB", flush=True)

    def medians(self):
        table = {}
        for case, by_tool in self.cases.items():
            for tool, samples in by_tool.items():
                table.setdefault(case, {})[tool] = {
                    "wall": statistics.median(s.wall for s in samples),
                    "cpu": statistics.median(s.cpu for s in samples),
                    "peak": max(s.peak for s in samples),
                    "written": statistics.median(s.written for s in samples),
                    "runs": len(samples),
                }
        return table


def pulls(results, engines, registry, images, runs):
    for image in images:
        name = f"{registry.address}/{image}:latest"
        for _ in range(runs):
            for engine in engines:
                engine.reset()
                results.add(f"pull {image}", engine.name, engine.run("pull", name))
        for _ in range(runs):
            for engine in engines:
                if not engine.can("rm"):
                    continue
                engine.reset()
                engine.run("pull", name)
                results.add(f"rm {image}", engine.name, engine.run("rm", name))


def shared_pull(results, engines, registry, runs):
    """All layers but the last are here."""
    base, top = f"{registry.address}/python:base", f"{registry.address}/python:latest"
    for _ in range(runs):
        for engine in engines:
            engine.reset()
            engine.run("pull", base)
            results.add("pull python, last layer missing", engine.name, engine.run("pull", top))


def archives(results, engines, registry, images, runs, work):
    for image in images:
        name, file = f"{registry.address}/{image}:latest", work / "saved.tar"
        for _ in range(runs):
            for engine in engines:
                if not engine.can("save"):
                    continue
                engine.reset()
                engine.run("pull", name)
                results.add(f"save {image}", engine.name, engine.run("save", name, file))
                engine.reset()
                results.add(f"load {image}", engine.name, engine.run("load", name, file))
                file.unlink()


def small_commands(results, engines, registry, runs):
    name = f"{registry.address}/alpine:latest"
    for engine in engines:
        engine.reset()
        engine.run("pull", name)
        for verb in ("version", "ls", "inspect", "history", "true"):
            if engine.can(verb):
                engine.run(verb, name)  # the first one warms
                for _ in range(max(runs, 5)):
                    results.add(f"{verb} (alpine)", engine.name, engine.run(verb, name))


def thousand_images(results, engines, runs):
    for engine in engines:
        if engine.fill(1000):
            for _ in range(max(runs, 5)):
                results.add("ls of 1,000 images", engine.name, engine.run("ls", ""))


def report(table, floor, engines, notes):
    lines = ["# Benchmark results", ""]
    slower = [
        f"{case}: {tool} {figures['wall']:.3f} s, strata {by_tool['strata']['wall']:.3f} s"
        for case, by_tool in table.items() if "strata" in by_tool
        for tool, figures in by_tool.items()
        if tool != "strata" and figures["wall"] < by_tool["strata"]["wall"]
    ]
    lines += ["**A peer is faster in:** " + "; ".join(slower) if slower else "**No case in which a peer is faster.**", ""]
    lines += notes + [""]
    lines += ["| case | tool | wall s | ratio | CPU s | ratio | peak MiB | written MiB |", "|---|---|---|---|---|---|---|---|"]
    for case, by_tool in table.items():
        own = by_tool.get("strata")
        for tool, f in by_tool.items():
            wall = f"{f['wall'] / own['wall']:.2f}" if own else ""
            cpu = f"{f['cpu'] / own['cpu']:.2f}" if own and own["cpu"] else ""
            lines.append(
                f"| {case} | {tool} | {f['wall']:.3f} | {wall} | {f['cpu']:.2f} | {cpu} | {f['peak'] >> 20} | {int(f['written']) >> 20} |")
    if floor:
        lines += ["", "## Floors", "", "What two busy cores need for the same bytes with the best public tools.", ""]
        lines += ["| image | fetch s | inflate CPU s | hash CPU s | copy CPU s | floor s | strata pull / floor | fsync s |", "|---|---|---|---|---|---|---|---|"]
        for image, f in floor.items():
            own = table.get(f"pull {image}", {}).get("strata")
            ratio = f"{own['wall'] / f['floor']:.2f}" if own else ""
            lines.append(
                f"| {image} | {f['fetch']:.2f} | {f['inflate']:.2f} | {f['hash']:.2f} | {f['copy']:.2f} | {f['floor']:.2f} | {ratio} | {f['sync']:.2f} |")
    lines += ["", "## Tools", ""] + [f"- {engine.name}: {engine.version()}{engine.remark}" for engine in engines]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strata", required=True, help="the binary")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--images", default=",".join(IMAGES))
    parser.add_argument("--tools", default="strata,docker,containerd,podman,skopeo")
    parser.add_argument("--cases", default="pull,shared,archives,small,thousand")
    parser.add_argument("--work", default="/var/tmp/strata-bench")
    parser.add_argument("--label", default=time.strftime("%Y-%m-%d"))
    options = parser.parse_args()
    work, images, cases = pathlib.Path(options.work), options.images.split(","), options.cases.split(",")
    subprocess.run([HERE / "make-images", work], check=True)
    results = Results()
    with tools.Registry(work) as registry:
        registry.fill(work, images)
        engines = [tools.make(name, work, options.strata, registry) for name in options.tools.split(",")]
        engines = [engine for engine in engines if engine]
        for engine in list(engines):
            problem = engine.start()
            if problem:
                print(f"{engine.name} is left out: {problem}", file=sys.stderr)
                engines.remove(engine)
        try:
            floor = {image: floors.measure(work, image, registry) for image in images}
            if "pull" in cases:
                pulls(results, engines, registry, images, options.runs)
            if "shared" in cases and "python" in images:
                shared_pull(results, engines, registry, options.runs)
            if "archives" in cases:
                archives(results, engines, registry, [i for i in images if i in ("alpine", "python")], options.runs, work)
            if "small" in cases:
                small_commands(results, engines, registry, options.runs)
            if "thousand" in cases:
                thousand_images(results, engines, options.runs)
            folder = HERE / "results"
            folder.mkdir(exist_ok=True)
            table = results.medians()
            notes = [
                f"Machine: {os.cpu_count()} cores, kernel {os.uname().release}; {options.runs} runs a case, medians; ratios are to strata.",
                "strata syncs every blob and layer to disk before it says `Pull complete`; docker, containerd and podman do not sync"
                " the files that they unpack.",
            ]
            text = report(table, floor, engines, notes)
            (folder / f"{options.label}.md").write_text(text)
            (folder / f"{options.label}.json").write_text(json.dumps({"cases": table, "floors": floor}, indent=1))
            print(text)
        finally:
            for engine in engines:
                engine.stop()
                shutil.rmtree(engine.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
