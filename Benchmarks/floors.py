"""What the same bytes cost with the best public tools, measured in the same run."""
import os
import resource
import subprocess
import time


def measure(layout, scratch, registry, image):
    paths = [layout.path(digest) for digest in layout.layers]
    folder = scratch / "floor"
    folder.mkdir(exist_ok=True)
    try:
        inflate = sum(_cpu(["igzip", "-d", "-c", path], subprocess.DEVNULL) for path in paths)
        tars = []
        for number, path in enumerate(paths):
            tars.append(folder / f"{number}.tar")
            with open(tars[-1], "wb") as sink:
                _cpu(["igzip", "-d", "-c", path], sink)
        hashing = sum(_cpu(["openssl", "dgst", "-sha256", path], subprocess.DEVNULL) for path in paths + tars)
        copy = sync = 0.0
        for source in paths + tars:
            target = folder / "copy"
            # The least of three: a machine that is handed its memory on demand makes the first copies dear.
            copy += min(_copy(source, target) for _ in range(3))
            started = time.monotonic()
            descriptor = os.open(target, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            sync += time.monotonic() - started
            target.unlink()
    finally:
        subprocess.run(["rm", "-rf", str(folder)], check=False)
    started = time.monotonic()
    urls = [f"http://{registry.address}/v2/{image}/blobs/{digest}" for digest in layout.layers]
    subprocess.run(
        ["curl", "-sf", "--parallel", *(word for url in urls for word in ("-o", "/dev/null", url))], check=True, timeout=120,
        stderr=subprocess.DEVNULL)
    return {"fetch": time.monotonic() - started, "inflate": inflate, "hash": hashing, "copy": copy, "sync": sync}


def _copy(source, target):
    target.unlink(missing_ok=True)
    return _cpu(["dd", f"if={source}", f"of={target}", "bs=1M", "status=none"], subprocess.DEVNULL)


def _cpu(arguments, stdout):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(a) for a in arguments], check=True, stdout=stdout, stdin=subprocess.DEVNULL, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
