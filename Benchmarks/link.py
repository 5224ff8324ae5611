"""A registry behind a link of 1 Gbit/s with 20 ms of delay (there and back), in a network namespace of its own.

tc's netem makes the link where the kernel has it. Where not, the link is a pair of TUN devices and a process between them
that holds every packet back: the handshake, windows and loss-free slow start are the kernel's own in both.
"""
import contextlib
import fcntl
import heapq
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import sys
import time

import measure
from measure import Failure
from origin import Registry, wait_for

RATE = 1_000_000_000 / 8
DELAY = 0.020
NEAR, FAR = "198.18.77.1", "198.18.77.2"
NAMESPACE = "strata-bench"
MTU = 9000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def has_netem():
    done = subprocess.run(
        ["unshare", "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"], capture_output=True, timeout=20)
    return done.returncode == 0


def describe():
    return "tc netem" if has_netem() else "a relay between two TUN devices, for this kernel has no netem"


@contextlib.contextmanager
def delayed(folder):
    """A registry over that folder beyond the link."""
    clean()
    relay = registry = None
    try:
        _ip("netns", "add", NAMESPACE)
        if has_netem():
            _ip("link", "add", "sbench0", "type", "veth", "peer", "name", "sbench1", "netns", NAMESPACE)
        else:
            relay = subprocess.Popen([sys.executable, __file__], stdin=subprocess.DEVNULL)
            wait_for(lambda: pathlib.Path("/sys/class/net/sbench0").exists() and _far("link", "show", "sbench1"), "the relay")
        _ip("addr", "add", f"{NEAR}/30", "dev", "sbench0")
        _ip("link", "set", "sbench0", "up")
        for words in (["link", "set", "lo", "up"], ["addr", "add", f"{FAR}/30", "dev", "sbench1"], ["link", "set", "sbench1", "up"]):
            _ip("-n", NAMESPACE, *words)
        if not relay:
            shape = ["root", "netem", "delay", f"{DELAY * 1000:.0f}ms", "rate", "1gbit", "limit", "20000"]
            _call(["ip", "netns", "exec", NAMESPACE, "tc", "qdisc", "add", "dev", "sbench1", *shape])
        registry = Registry(folder, f"{FAR}:5000", ["ip", "netns", "exec", NAMESPACE])
        registry.start()
        registry.relay = relay
        yield registry
    finally:
        if registry:
            registry.stop()
        if relay:
            measure.stop_tree(relay.pid)
        clean()


def clean():
    subprocess.run(["ip", "netns", "del", NAMESPACE], capture_output=True, timeout=20)
    subprocess.run(["ip", "link", "del", "sbench0"], capture_output=True, timeout=20)


def _far(*words):
    return subprocess.run(["ip", "-n", NAMESPACE, *words], capture_output=True, timeout=20).returncode == 0


def _ip(*words):
    _call(["ip", *words])


def _call(arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise Failure(f"`{' '.join(arguments)}` failed: {done.stderr.strip()}")


def _device(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


def _relay():
    """Carries packets between `sbench0` here and `sbench1` in the namespace; what comes from there is late and paced."""
    near, far = _device("sbench0"), _device("sbench1")
    _call(["ip", "link", "set", "sbench0", "mtu", str(MTU), "txqueuelen", "20000"])
    _call(["ip", "link", "set", "sbench1", "mtu", str(MTU), "txqueuelen", "20000"])
    _call(["ip", "link", "set", "sbench1", "netns", NAMESPACE])
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    waiting, sequence, free_at = [], 0, 0.0
    while True:
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            _write(near, heapq.heappop(waiting)[2])
        patience = max(0.0, waiting[0][0] - now) if waiting else None
        for device in select.select([near, far], [], [], patience)[0]:
            for _ in range(64):
                try:
                    packet = os.read(device, MTU + 64)
                except (BlockingIOError, OSError):
                    break
                if device == near:
                    _write(far, packet)
                    continue
                free_at = max(free_at, time.monotonic()) + len(packet) / RATE
                sequence += 1
                heapq.heappush(waiting, (free_at + DELAY, sequence, packet))


def _write(device, packet):
    with contextlib.suppress(OSError):  # a full or absent device drops, as links do
        os.write(device, packet)


if __name__ == "__main__":
    socket.setdefaulttimeout(10)
    _relay()
