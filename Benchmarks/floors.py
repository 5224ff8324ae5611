"""What the same bytes cost with the best public tools, measured in the same run."""
import json
import os
import resource
import subprocess
import time


def layers(work, image):
    layout = work / image
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(layout, index["manifests"][0]["digest"]).read_text())
    return [layer["digest"] for layer in manifest["layers"]]


def blob(layout, digest):
    return layout / "blobs" / digest.replace(":", "/")


def fetch_seconds(image, registry, digests):
    started = time.monotonic()
    urls = [f"http://{registry.address}/v2/{image}/blobs/{digest}" for digest in digests]
    subprocess.run(["curl", "-s", "--parallel", *sum((["-o", "/dev/null", url] for url in urls), [])], check=True)
    return time.monotonic() - started


def measure(work, image, registry):
    digests = layers(work, image)
    paths = [blob(work / image, digest) for digest in digests]
    tars = []
    inflate = 0.0
    for number, path in enumerate(paths):
        tar = work / f"floor-{number}.tar"
        with open(tar, "wb") as sink:
            inflate += _cpu(["igzip", "-d", "-c", path], sink)
        tars.append(tar)
    hashing = sum(_cpu(["openssl", "dgst", "-sha256", path], subprocess.DEVNULL) for path in paths + tars)
    copy = sync = 0.0
    for source in paths + tars:
        target = work / "floor-copy"
        copy += _cpu(["dd", "if=" + str(source), "of=" + str(target), "bs=1M", "status=none"], subprocess.DEVNULL)
        started = time.monotonic()
        descriptor = os.open(target, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        sync += time.monotonic() - started
        target.unlink()
    for tar in tars:
        tar.unlink()
    fetch = fetch_seconds(image, registry, digests)
    return {
        "fetch": fetch, "inflate": inflate, "hash": hashing, "copy": copy, "sync": sync,
        "floor": max((inflate + hashing + copy) / 2, fetch),
    }


def _cpu(arguments, stdout):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(a) for a in arguments], check=True, stdout=stdout)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
