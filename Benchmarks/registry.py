#!/usr/bin/env python3
"""Loads Strata's registry, docker-registry and nginx in turn, in one run, and prints what a request costs each, as a
section of the benchmark's report. `Benchmarks/run` calls it; it also runs alone.

Every server is given the same content over the protocol. A round takes every case for every server in turn, so that what
else the machine does meets all alike; a figure is the median of the rounds. CPU seconds are the server's own, user and
system. Strata writes its access log; docker-registry and nginx are told to write none. Needs wrk, docker-registry,
nginx-light and openssl from Debian.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import measure
from registries import BLOB_BYTES, MANIFEST, MANY, REPOSITORY, Content, Docker, Nginx, Strata


UPLOAD, LIST, BLOB = "blob of 50 MB, upload", "list of 10,000 tags", "blob of 50 MB, GET"


def headers_of(server, repository):
    shown = server.header("pull", repository)
    return [f"Accept: {MANIFEST}"] + ([f"Authorization: {shown}"] if shown else [])


def wrk(server, path, seconds, connections, repository):
    """Loads with GETs. Gives how many; fails where any answer is an error."""
    arguments = ["wrk", "-t", "2", "-c", str(connections), "-d", f"{seconds:.0f}s", "--timeout", "30s"]
    for header in headers_of(server, repository):
        arguments += ["-H", header]
    text = subprocess.run(
        arguments + [f"http://{server.address}{path}"], check=True, capture_output=True, text=True,
        stdin=subprocess.DEVNULL).stdout
    if re.search(r"Non-2xx|Socket errors", text):
        raise RuntimeError(f"{server.name}: GET {path}: {text}")
    return int(re.search(r"(\d+) requests in", text)[1])


def heads(server, path, seconds, connections, repository):
    """Loads with HEADs, which wrk cannot: it waits for the bodies. All connections are asked, then all answers are read."""
    lines = [f"HEAD {path} HTTP/1.1", f"Host: {server.address}"] + headers_of(server, repository)
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    host, port = server.address.split(":")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((host, int(port)), 30)) for _ in range(connections)]
        count, until = 0, time.monotonic() + seconds
        while time.monotonic() < until:
            for client in clients:
                client.sendall(request)
            for client in clients:
                answer = client.recv(4096)
                while not answer.endswith(b"\r\n\r\n"):
                    more = client.recv(4096)
                    if not more:
                        break
                    answer += more
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(f"{server.name}: HEAD {path}: {answer}")
                count += 1
    return count


def uploads(server, content, seconds):
    """Four clients, each blob of other bytes, as docker pushes it."""
    until = time.monotonic() + seconds

    def client(number):
        connection, count = server.connect(), 0
        data = bytearray(content.blobs[-1])
        while time.monotonic() < until:
            data[:16] = os.urandom(16)
            server.push_blob(connection, bytes(data))
            count += 1
        return count

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return sum(pool.map(client, range(4)))


def cases(content):
    app, tags = f"/v2/{REPOSITORY}", f"/v2/{MANY}/tags/list"
    size = len(content.manifest)
    return {
        "manifest by tag, GET": (f"{app}/manifests/v1", "GET", size, 32, REPOSITORY),
        "manifest by digest, GET": (f"{app}/manifests/{content.digest}", "GET", size, 32, REPOSITORY),
        "manifest by tag, HEAD": (f"{app}/manifests/v1", "HEAD", 0, 32, REPOSITORY),
        BLOB: (f"{app}/blobs/{content.large}", "GET", BLOB_BYTES, 8, REPOSITORY),
        "blob of 50 MB, HEAD": (f"{app}/blobs/{content.large}", "HEAD", 0, 32, REPOSITORY),
        UPLOAD: ("", "POST", BLOB_BYTES, 4, REPOSITORY),
        LIST: (tags, "GET", 0, 8, MANY),
    }


def usage(pid):
    """CPU seconds of a server and the processes that it started, user and system, and the sum of their peaks."""
    cpu = peak = 0
    for process in measure.descendants([pid]):
        stat = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        cpu += (int(stat[11]) + int(stat[12])) / measure.TICK
        status = pathlib.Path(f"/proc/{process}/status").read_text()
        peak += int(re.search(r"VmHWM:\s+(\d+)", status)[1]) << 10
    return cpu, peak


def measure_case(server, case, content, seconds):
    path, method, size, connections, repository = case
    pid = server.process.pid
    for process in measure.descendants([pid]):
        # The peak of this case, not of those before.
        pathlib.Path(f"/proc/{process}/clear_refs").write_text("5")
    before = usage(pid)[0]
    started = time.monotonic()
    if method == "POST":
        count = uploads(server, content, seconds)
    else:
        count = (heads if method == "HEAD" else wrk)(server, path, seconds, connections, repository)
    wall = time.monotonic() - started
    after, peak = usage(pid)
    cpu = max(after - before, 1 / measure.TICK)
    return {
        "requests": count, "cpu": cpu, "peak": peak, "per_second": count / wall, "per_cpu_second": count / cpu,
        "bytes_per_second": count * size / wall, "bytes_per_cpu_second": count * size / cpu}


def report(table):
    """A line a case and server, with how many times what docker-registry does in a CPU second, and in a second."""
    lines = [
        "| case | server | requests/s | × | per CPU s | × | MB/s | MB per CPU s | peak MiB |", "|---|---|---|---|---|---|---|---|---|"]
    for case, by_server in table.items():
        base = by_server.get("docker-registry" + (", token" if case.endswith(", token") else ""))
        for server, f in by_server.items():
            ratios = [f"{f[key] / base[key]:.2f}" if base else "" for key in ("per_second", "per_cpu_second")]
            megabytes = [f"{f[key] / 1e6:.0f}" if f[key] else "" for key in ("bytes_per_second", "bytes_per_cpu_second")]
            lines.append(
                f"| {case} | {server} | {f['per_second']:.0f} | {ratios[0]} | {f['per_cpu_second']:.0f} | {ratios[1]} |"
                f" {megabytes[0]} | {megabytes[1]} | {f['peak'] >> 20} |")
    return "\n".join(lines)


def targets(table):
    """What must hold, and whether it does."""
    def figure(case, server, key):
        return table[case][server][key]

    results = []
    for case in ("manifest by tag, GET", "manifest by digest, GET"):
        if case in table:
            ratio = figure(case, "strata", "per_cpu_second") / figure(case, "docker-registry", "per_cpu_second")
            results.append((f"{case}: {ratio:.1f} times docker-registry's requests per CPU second (at least 3)", ratio >= 3))
    case = BLOB
    if case in table:
        ratio = figure(case, "strata", "bytes_per_cpu_second") / figure(case, "docker-registry", "bytes_per_cpu_second")
        results.append((f"{case}: {ratio:.2f} times docker-registry's bytes per CPU second (at least 1)", ratio >= 1))
        for key, words in (("bytes_per_second", "bytes per second"), ("bytes_per_cpu_second", "bytes per CPU second")):
            ratio = figure(case, "strata", key) / figure(case, "nginx", key)
            results.append((f"{case}: {ratio:.2f} times nginx's {words} by sendfile (at least 0.90)", ratio >= 0.9))
    return results


def medians(samples):
    return {
        case: {
            server: {key: (max if key == "peak" else statistics.median)(sample[key] for sample in taken) for key in taken[0]}
            for server, taken in by_server.items()}
        for case, by_server in samples.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strata", required=True, help="the binary, of a release build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2, help="of load, for each case, server and round")
    parser.add_argument("--only", default="", help="cases whose name has this text")
    parser.add_argument("--servers", default="strata,docker-registry,nginx")
    parser.add_argument("--work", default="/var/tmp/strata-registry-bench")
    parser.add_argument("--json", help="where the figures go")
    parser.add_argument("--check", action="store_true", help="fail where a target is missed")
    options = parser.parse_args()
    missing = [tool for tool in ("wrk", "docker-registry", "nginx", "openssl") if not shutil.which(tool)]
    if missing:
        sys.exit(f"registry.py: missing {', '.join(missing)}: apt-get install wrk docker-registry nginx-light openssl")
    work, content = pathlib.Path(options.work), Content()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    wanted, samples = options.servers.split(","), {}
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)

        makers = {
            "strata": lambda name, with_token: Strata(name, work, options.strata, with_token),
            "docker-registry": lambda name, with_token: Docker(name, work, with_token),
            "nginx": lambda name, with_token: None if with_token else Nginx(name, work)}
        servers = []
        for name in wanted:
            for with_token in (False, True):
                server = makers[name](name + (", token" if with_token else ""), with_token)
                if server:
                    stack.callback(server.stop)
                    server.fill(content)
                    servers.append(server)
        for number in range(options.rounds):
            for name, case in cases(content).items():
                if options.only not in name:
                    continue
                for server in servers:
                    # nginx knows files only; how somebody is let in makes no difference to long requests.
                    if (server.name == "nginx" and name != BLOB) or (server.with_token and name in (UPLOAD, LIST)):
                        continue
                    sample = measure_case(server, case, content, options.seconds)
                    title = name + (", token" if server.name.endswith(", token") else "")
                    samples.setdefault(title, {}).setdefault(server.name, []).append(sample)
                    print(
                        f"round {number + 1}  {title:34} {server.name:24} {sample['per_second']:10.1f}/s"
                        f" {sample['per_cpu_second']:10.1f} per CPU s {sample['peak'] >> 20:5} MiB", file=sys.stderr, flush=True)
    table = medians(samples)
    print(
        f"## Registry\n\n{options.rounds} rounds of {options.seconds} s a case, medians; × is to docker-registry; CPU is the"
        f" server's.\n\n{report(table)}\n")
    complete = {"strata", "docker-registry", "nginx"} <= set(wanted)
    results = targets(table) if complete else []
    for words, holds in results:
        print(f"- {'holds' if holds else 'MISSED'}: {words}")
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"cases": table, "targets": [{"words": w, "holds": h} for w, h in results]}, indent=1))
    if options.check and not all(holds for _, holds in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
