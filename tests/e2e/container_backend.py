"""A backend that tries what a container of ours is meant to keep it from: runs in cells only.

`y = -x`, unless the graph's name is that of a deed: then this is done first.
"""

import ctypes
import json
import mmap
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
from onnx.backend.base import Backend, BackendRep

HOG = "x = bytearray(8 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1\n"


def child_over_limit():
    """Touches more memory than its control group may have."""
    page = mmap.mmap(-1, 8 << 30)
    for at in range(0, len(page), 4096):
        page[at] = 1


def grandchild_over_limit():
    """A process of ours does, and we tell it as any program would: as an exception."""
    code = subprocess.run([sys.executable, "-c", HOG], check=False).returncode
    raise RuntimeError("the helper ended with %d" % code)


def fork_bomb():
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)


def fills_tmp():
    with open("/tmp/big", "wb") as file:
        while True:
            file.write(b"x" * (1 << 20))


def fills_folder():
    with open("big", "wb") as file:
        while True:
            file.write(b"x" * (1 << 20))


def floods():
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        os.write(1, b"all work and no play\n" * 3000)


def ends_everything():
    """Signals whatever it may."""
    os.kill(-1, signal.SIGKILL)


def tells():
    """What can be seen from here, told where the host can read it."""
    seen = {
        "env": dict(os.environ),
        "files": {},
        "written": [],
        "network": [],
        "ids": os.getresuid(),
    }
    for path in json.loads(os.environ["LOOK_AT"]):
        try:
            with open(path, "rb") as file:
                seen["files"][path] = file.read(4096).decode("latin-1")
        except OSError as error:
            seen["files"][path] = error.strerror
    for folder in (
        "/",
        "/etc",
        "/usr",
        "/var",
        "/modelcompat",
        "/modelcompat/site",
        "/root",
        "/home",
    ):
        try:
            with open(os.path.join(folder, "mark"), "w") as file:
                file.write("x")
            seen["written"].append(folder)
        except OSError:
            continue
    for address in (("127.0.0.1", 1), ("10.0.0.1", 53), ("8.8.8.8", 53)):
        try:
            socket.create_connection(address, timeout=1.0)
            seen["network"].append(address)
        except OSError as error:
            if error.errno == 111:  # refused: somebody is there to refuse
                seen["network"].append([address, "refused"])
    with open("/proc/self/status") as file:
        seen["status"] = dict(line.rstrip().split(":\t", 1) for line in file if ":\t" in line)
    libc = ctypes.CDLL(None, use_errno=True)
    seen["mount"] = libc.mount(b"none", b"/tmp", b"tmpfs", 0, None)
    with open("/proc/mounts") as file:
        seen["mounts"] = file.read()
    raise RuntimeError("SEEN " + json.dumps(seen))


DEEDS = {name: item for name, item in globals().items() if callable(item) and name.islower()}


class Prepared(BackendRep):
    def __init__(self, name):
        self.name = name

    def run(self, inputs, **_):
        deed = DEEDS.get(self.name)
        if deed is not None:
            deed()
        return (-np.asarray(inputs[0]),)


class Faulty(Backend):
    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

    @classmethod
    def prepare(cls, model, device="CPU", **_):
        return Prepared(model.graph.name.replace("-", "_"))
