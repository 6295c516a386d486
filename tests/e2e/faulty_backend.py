"""A backend with faults, as a package of its own: runs in cells, never here.

`y = -x`, unless the graph's name is that of a fault: then this happens first, and some of them
return. A name that starts with `load-` has it happen in `prepare`.
"""

import contextlib
import ctypes
import locale
import mmap
import os
import platform
import signal
import sys
import tempfile
import threading
import time

import numpy as np
from onnx.backend.base import Backend, BackendRep

GARBAGE = bytes(range(256))
TERMINAL = b"\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[8mhidden\r\n"


def machine_code(x86, arm):
    """Run an instruction that no Python function has."""
    code = bytes.fromhex({"x86_64": x86, "aarch64": arm}[platform.machine()])
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()


def sigsegv():
    ctypes.string_at(8)


def sigabrt():
    ctypes.CDLL(None).abort()


def sigill():
    machine_code("0f0b", "00000000")


def sigbus():
    with tempfile.TemporaryFile() as file:
        file.write(b"x" * 8192)
        file.flush()
        view = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        view[5000]


def overflow():
    machine_code("e8fbffffff", "fd7bbfa9ffffff97")


def released():
    time.sleep(1000)


def held():
    ctypes.PyDLL(None).sleep(1000)


def immortal():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(1)


def leaves():
    os._exit(0)


def exits():
    sys.exit(0)


def exits_with_words():
    sys.exit("that is all")


def interrupted():
    raise KeyboardInterrupt


def greedy():
    bytearray(64 << 30)


def aborts_for_memory():
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    ctypes.CDLL(None).abort()


def says_what():
    os.write(2, b"the last words\n")
    ctypes.string_at(8)


# -- from here on they return, and the answer is right


def binary():
    for handle in (1, 2):
        os.write(handle, GARBAGE * 64)


def terminal():
    for handle in (1, 2):
        os.write(handle, TERMINAL)
    print("printed \udcff lone", TERMINAL.decode("latin-1").encode("unicode-escape"), flush=True)


def endless():
    """64 MiB on each: endless is the next one."""
    for handle in (1, 2):
        for _ in range(1024):
            os.write(handle, b"all work and no play\n" * 3121)


def flooding():
    while True:
        os.write(1, b"all work and no play\n" * 3121)


def tampers():
    """Writes to whatever is open."""
    for handle in range(3, 1024):
        with contextlib.suppress(OSError):
            os.write(handle, GARBAGE * 16)


def closes():
    os.closerange(0, 1024)


def rearranges():
    """The folder, the variables, the handlers, the locale, the threads."""
    os.chdir("/")
    os.environ.clear()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    locale.setlocale(locale.LC_ALL, "C")
    sys.setrecursionlimit(100000)
    sys.stdout = sys.stderr = None
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def forks():
    """A child and a grandchild in sessions of their own, that outlive this."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setsid()
        time.sleep(1000)
        os._exit(0)


def forks_and_returns():
    """Both copies return the right answer."""
    os.fork()


def threads():
    """One that crashes the process soon after this returned."""
    threading.Timer(0.2, os.abort).start()


FAULTS = {name: item for name, item in globals().items() if callable(item)}


def happen(name):
    fault = FAULTS.get(name)
    if fault is not None:
        fault()


class Prepared(BackendRep):
    def __init__(self, name):
        self.name = name

    def run(self, inputs, **_):
        happen(self.name)
        return (-np.asarray(inputs[0]),)


class Faulty(Backend):
    @classmethod
    def supports_device(cls, device):
        return device == "CPU"

    @classmethod
    def prepare(cls, model, device="CPU", **_):
        name = model.graph.name
        if name.startswith("load-"):
            happen(name[5:].replace("-", "_"))
        return Prepared(name.replace("-", "_"))
