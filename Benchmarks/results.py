"""The samples of a run, and what went wrong; writes the table and the JSON."""
import collections
import json
import statistics

import cases as catalogue

DECIMALS = {"inspect", "history", "run", "version", "ls", "prune"}


class Results:
    def __init__(self):
        self.samples, self.failures, self.left_out, self.seconds, self.floors = {}, [], [], {}, {}
        self.extra_excluded, self.sections = [], []

    def add(self, case, image, tool, sample):
        self.samples.setdefault((case, image), {}).setdefault(tool, []).append(sample)
        print(f"{case + ' ' + image:34} {tool:18} {sample.wall:8.3f} s {sample.cpu:7.2f} CPU s {sample.peak >> 20:5} MiB", flush=True)

    def add_floor(self, image, floor):
        self.floors.setdefault(image, []).append(floor)

    def fail(self, what, tool, message):
        self.failures.append((what, tool, message))
        print(f"{what:34} {tool:18} FAILED: {message}", flush=True)

    def leave_out(self, what, tool, why):
        self.left_out.append((what, tool, why))

    def took(self, what, tool, seconds):
        self.seconds[what, tool] = max(seconds, self.seconds.get((what, tool), 0))

    def expected(self, what, tool):
        """How long it took before; nothing is known in the first round."""
        return self.seconds.get((what, tool), 5.0)

    def table(self):
        """Case by case, tool by tool: medians."""
        made = {}
        for (case, image), by_tool in self.samples.items():
            made[f"{case} {image}"] = {
                tool: {
                    "wall": statistics.median(s.wall for s in samples), "best": min(s.wall for s in samples),
                    # Daemons' CPU time comes in ticks: over many short runs the mean is truer.
                    "cpu": (statistics.mean if len(samples) > 4 else statistics.median)([s.cpu for s in samples]),
                    "peak": max(s.peak for s in samples), "written": statistics.median(s.written for s in samples), "runs": len(samples),
                } for tool, samples in by_tool.items()}
        return made

    def floor_table(self):
        made = {}
        for image, several in self.floors.items():
            floor = {key: statistics.median(one[key] for one in several) for key in several[0]}
            floor["floor"] = max((floor["inflate"] + floor["hash"] + floor["copy"]) / 2, floor["fetch"])
            made[image] = floor
        return made


def report(results, engines, notes):
    table, floors = results.table(), results.floor_table()
    lines = ["# Benchmark results", "", *_slower(table), ""]
    lines += [f"- {note}" for note in notes] + ["", "## Targets", ""] + _targets(table, floors) + ["", "## Cases", ""]
    lines += [f"- `{case}`: {text}" for case, (text, _, _) in catalogue.CASES.items()]
    lines += ["", "Ratios are to strata: above 1, the tool needs more.", ""]
    lines += ["| case | tool | wall | ratio | CPU | ratio | peak MiB | written MiB | wall / floor | runs |", "|---|---|---|---|---|---|---|---|---|---|"]
    for case, by_tool in table.items():
        lines += [_row(case, tool, figures, by_tool.get("strata"), floors) for tool, figures in by_tool.items()]
    if floors:
        lines += ["", "## Floors", "", "What two busy cores need for the same bytes with the best public tools:"
                  " (inflate by igzip + SHA-256 of blob and tar by openssl + one copy of the written bytes) / 2, or the fetch by curl.", ""]
        lines += ["| image | fetch s | inflate CPU s | hash CPU s | copy CPU s | floor s | strata pull / floor | fsync s |", "|---|---|---|---|---|---|---|---|"]
        for image, f in floors.items():
            own = table.get(f"pull {image}", {}).get("strata")
            ratio = f"{own['wall'] / f['floor']:.2f}" if own else ""
            lines.append(
                f"| {image} | {f['fetch']:.2f} | {f['inflate']:.2f} | {f['hash']:.2f} | {f['copy']:.2f} | {f['floor']:.3f} | {ratio} | {f['sync']:.2f} |")
    for section in results.sections:
        lines += ["", section]
    lines += ["", "## Tools", ""] + [f"- {engine.name}: {engine.known_version}{engine.remark}" for engine in engines]
    if results.failures or results.left_out:
        lines += ["", "## What did not run", ""]
        lines += [f"- {what}, {tool}: {' '.join(message.split())[:600]}" for what, tool, message in results.failures]
        rounds = collections.Counter(results.left_out)
        lines += [f"- {what}, {tool}: {why}" + (f" (in {count} rounds)" if count > 1 else "") for (what, tool, why), count in rounds.items()]
    return "\n".join(lines) + "\n"


def as_json(results, engines, notes):
    return json.dumps({
        "notes": notes, "tools": {engine.name: engine.known_version for engine in engines}, "cases": results.table(), "floors": results.floor_table(),
        "failures": results.failures, "left_out": results.left_out, "sections": results.sections,
        "samples": {f"{case} {image}": {tool: [vars(s) for s in samples] for tool, samples in by_tool.items()}
                    for (case, image), by_tool in results.samples.items()},
    }, indent=1)


def _slower(table):
    """First lines of the file: where a peer is faster or smaller. Tools that unpack nothing do another job: they come last."""
    same_job, other_job = [], []
    for case, by_tool in table.items():
        own = by_tool.get("strata")
        for tool, figures in by_tool.items():
            if not own or tool == "strata":
                continue
            if case.startswith("disk"):
                key, form = "written", lambda value: f"{value / (1 << 20):.1f} MiB"
            else:
                key, form = "wall", lambda value: f"{value * 1000:.1f} ms" if value < 1 else f"{value:.3f} s"
            if figures[key] < own[key]:
                found = other_job if tool in ("skopeo", "umoci") else same_job
                found.append(f"- {case}: {tool} {form(figures[key])}, strata {form(own[key])}")
    lines = ["**A peer is faster in:**", "", *same_job] if same_job else ["**No case in which a peer is faster.**"]
    if other_job:
        lines += ["", "Faster, but these unpack nothing, so that no container could start from what they leave:", "", *other_job]
    return lines


def _row(case, tool, figures, own, floors):
    kind, image = case.split(" ")[0], case.split(" ")[-1]
    wall = f"{figures['wall'] * 1000:.1f} ms" if kind in DECIMALS else f"{figures['wall']:.3f} s"
    ratio = f"{figures['wall'] / own['wall']:.2f}" if own and own["wall"] else ""
    cpu = f"{figures['cpu'] / own['cpu']:.2f}" if own and own["cpu"] else ""
    floor = f"{figures['wall'] / floors[image]['floor']:.2f}" if kind in ("pull", "unsynced") and image in floors else ""
    if kind == "disk":
        wall, ratio, cpu = "", f"{figures['written'] / own['written']:.2f}" if own and own["written"] else "", ""
    return (f"| {case} | {tool} | {wall} | {ratio} | {figures['cpu']:.3f} s | {cpu} | {figures['peak'] >> 20} |"
            f" {figures['written'] / (1 << 20):.1f} | {floor} | {figures['runs']} |")


def _targets(table, floors):
    """The project's own targets, each with what was measured."""
    lines = []

    def check(what, value, limit, at_least):
        good = value >= limit if at_least else value <= limit
        sign = "≥" if at_least else "≤"
        lines.append(f"- {'met' if good else '**missed**'}: {what}: {value:.2f} (target {sign} {limit})")

    def ratio(case, tool, key):
        by_tool = table.get(case, {})
        if tool in by_tool and by_tool.get("strata", {}).get(key):
            return by_tool[tool][key] / by_tool["strata"][key]
        return None

    for image in ("python", "manyfiles", "bigfile"):
        own = table.get(f"pull {image}", {}).get("strata")
        if own and image in floors:
            check(f"pull {image}, wall / floor", own["wall"] / floors[image]["floor"], 1.4, False)
        apart = table.get(f"unsynced {image}", {}).get("strata")
        if apart and image in floors:
            check(f"pull {image} without its syncs, wall / floor", apart["wall"] / floors[image]["floor"], 1.4, False)
    engines = {"python": (4.5, 7), "manyfiles": (15, 15), "bigfile": (2.5, 5), "alpine": (2, 3)}
    for image, (others, podman) in engines.items():
        for tool in ("docker", "docker-containerd", "containerd", "podman"):
            wall, cpu = ratio(f"pull {image}", tool, "wall"), ratio(f"pull {image}", tool, "cpu")
            if wall is not None:
                check(f"pull {image}, {tool} / strata, wall", wall, podman if tool == "podman" else others, True)
            if cpu is not None:
                check(f"pull {image}, {tool} / strata, CPU", cpu, 2.5, True)
    for image in ("python", "manyfiles"):
        for tool in ("docker", "docker-containerd", "containerd", "podman"):
            wall = ratio(f"rm {image}", tool, "wall")
            if wall is not None:
                check(f"rm {image}, {tool} / strata, wall", wall, 20, True)
    peaks = [by_tool["strata"]["peak"] for case, by_tool in table.items() if case.startswith("pull") and "strata" in by_tool]
    if peaks:
        check("peak memory of any pull, MiB", max(peaks) / (1 << 20), 64, False)
    for case, limit in (("version alpine", 15), ("ls alpine", 40)):
        if "strata" in table.get(case, {}):
            check(f"{case.split()[0]}, ms", table[case]["strata"]["wall"] * 1000, limit, False)
    return lines or ["- none was measured"]
