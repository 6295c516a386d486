"""What runs on a machine that is reached over ssh, given to its Python as text (`python -c`).

Standard library, Python 3.8, imports nothing of the worker's. Every sub-command reads one line of
JSON from standard input first, and whatever files that line announces right after it.

`probe`    says what this interpreter is and what its loader finds, and makes the work folder.
`receive`  puts an installed tree into the work folder, whole or not at all.
`room`     makes a private folder, puts files there and runs a program in it, which inherits the
           rest of standard input. When the program ends, whatever it left behind is ended and the
           folder is removed; when the connection ends, however it does, the program gets a few
           seconds to notice, and then the same happens.

Answers are lines that begin with the mark which the host gave: login shells print, too.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import platform
import select
import shutil
import signal
import sys
import sysconfig
import time

GRACE = 5.0  # seconds for the program to end by itself once its standard input is closed
PATIENCE = 4.0  # seconds for the kernel to take killed processes away
MARKER = "ready"
POLLRDHUP = 0x2000


def line():
    """The next line of standard input; what comes after it is left there."""
    data = bytearray()
    while not data.endswith(b"\n"):
        piece = os.read(0, 1)
        if not piece:
            raise EOFError("the host went away")
        data += piece
    return data


def header():
    """The host's JSON."""
    size = int(line())
    return json.loads(b"".join(pieces(size)).decode("ascii"))


def pieces(size):
    """So many bytes of standard input."""
    while size:
        data = os.read(0, min(size, 1 << 20))
        if not data:
            raise EOFError("the host went away")
        size -= len(data)
        yield data


def tell(order, **what):
    """Answer."""
    os.write(1, ("\n" + order["mark"] + json.dumps(what) + "\n").encode("ascii"))


def take_files(root, order):
    """Make the announced folders and files below a folder."""
    for name in order.get("folders", ()):
        os.makedirs(below(root, name), mode=0o700, exist_ok=True)
    for name, size, mode in order["files"]:
        path = below(root, name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600 | mode)
        with os.fdopen(handle, "wb") as file:
            for piece in pieces(size):
                file.write(piece)


def below(root, name):
    """The path of a name that does not lead out of a folder."""
    if os.path.isabs(name) or ".." in name.split("/"):
        raise ValueError("the path leads out of the folder: " + name)
    return os.path.join(root, name)


@contextlib.contextmanager
def private(place, name):
    """A new folder that is gone in the end, and may be swept by others once its owner is dead."""
    os.makedirs(place, mode=0o700, exist_ok=True)
    sweep(place)
    folder = os.path.join(place, name)
    with open(folder + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            os.mkdir(folder, 0o700)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.unlink(folder + ".lock")


def sweep(place):
    """Remove the folders of dead owners."""
    for name in os.listdir(place):
        if name.endswith(".lock"):
            path = os.path.join(place, name)
            with contextlib.suppress(OSError), open(path) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path[: -len(".lock")], ignore_errors=True)
                os.unlink(path)


def probe(order):
    """Say what this interpreter is."""
    home, wanted = map(os.path.expanduser, ("~", order["folder"]))
    folder = os.path.abspath(os.path.join(home, wanted))
    trees = os.path.join(folder, "trees")
    os.makedirs(trees, mode=0o700, exist_ok=True)
    libc = None
    with contextlib.suppress(AttributeError, OSError, ValueError):
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    identity = hashlib.sha256(repr(os.uname()).encode())
    for path in ("/etc/machine-id", "/proc/cpuinfo"):
        with contextlib.suppress(OSError), open(path, "rb") as file:
            # frequencies change from one moment to the next
            rows = [row for row in file.read().splitlines() if b"MHz" not in row]
            identity.update(b"\n".join(rows))
    beside = os.path.join(sys.base_prefix, "lib")
    space = {}  # type: dict
    exec(order["look"], space)  # noqa: S102 - the host's own, as this program is
    tell(
        order,
        libraries=space["offered"]([beside]),
        version=".".join(map(str, sys.version_info[:3])),
        prerelease=sys.version_info[3] != "final",
        implementation=sys.implementation.name,
        platform=named_platform(),
        machine=platform.machine(),
        libc=libc or "-".join(platform.libc_ver()),
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        executable=getattr(sys, "_base_executable", None) or sys.executable,
        python=sys.executable,
        folder=folder,
        trees=[name for name in os.listdir(trees) if name_is_ready(trees, name)],
        identity=identity.hexdigest(),
        system=platform.platform(),
    )


def named_platform():
    """The platform in Python's words; on Android with API level and ABI also before Python 3.13."""
    name = sysconfig.get_platform()
    if hasattr(sys, "getandroidapilevel") and not name.startswith("android-"):
        abi = {"aarch64": "arm64_v8a", "armv7l": "armeabi_v7a", "i686": "x86"}
        machine = platform.machine()
        return "android-%d-%s" % (sys.getandroidapilevel(), abi.get(machine, machine))
    return name


def name_is_ready(trees, name):
    """Whether a tree is whole."""
    return os.path.exists(os.path.join(trees, name, MARKER))


def receive(order):
    """Make a virtual environment of a tree."""
    trees = os.path.join(order["folder"], "trees")
    final = os.path.join(trees, order["key"])
    with private(trees, ".%s-%d" % (order["key"], os.getpid())) as folder:
        take_files(folder, order)
        home = os.path.dirname(order["executable"])
        with open(os.path.join(folder, "pyvenv.cfg"), "w", encoding="utf-8") as file:
            file.write("home = %s\ninclude-system-site-packages = false\n" % home)
        os.mkdir(os.path.join(folder, "bin"))
        os.symlink(order["executable"], os.path.join(folder, "bin", "python"))
        os.symlink("lib", os.path.join(folder, "lib64"))
        open(os.path.join(folder, MARKER), "w").close()
        if os.path.isdir(final) and not name_is_ready(trees, order["key"]):
            shutil.rmtree(final)
        with contextlib.suppress(OSError):  # another run was faster
            os.rename(folder, final)
        tell(order, ready=name_is_ready(trees, order["key"]))


def room(order):
    """Run a program in a private folder."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # the parent of everything that is orphaned below
    wake, woken = os.pipe()
    for handle in (wake, woken):
        os.set_blocking(handle, False)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    hung_up = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: hung_up.append(0.0))
    with private(os.path.join(order["folder"], "rooms"), order["room"]) as folder:
        take_files(folder, order)
        tell(order, ready=True)
        code = watch(program(folder, order), wake, hung_up, time.monotonic() + order["seconds"])
        end_all()
    return code


def program(folder, order):
    """Start the program; its process id."""
    env = dict(order["env"])
    env.setdefault("PATH", os.environ.get("PATH", os.defpath))
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        for number in (signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.chdir(os.path.join(folder, order["cwd"]))
        os.execve(order["argv"][0], order["argv"], env)  # noqa: S606 - the point of it
    except OSError as error:
        os.write(2, ("%s: %s\n" % (order["argv"][0], error.strerror)).encode())
    finally:
        os._exit(127)


def watch(pid, wake, hung_up, end):
    """Wait for the program, or for the host to go away; its exit code."""
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(0, POLLRDHUP)
    while True:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        left = min([end, *hung_up]) - time.monotonic()
        if left <= 0:
            return 1
        for handle, _ in poll.poll(min(left, 3600.0) * 1000 + 1):
            if handle == wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(wake, 4096)
            else:
                poll.unregister(0)
                hung_up.append(time.monotonic() + GRACE)


def end_all():
    """Kill everything below this process until nothing is left."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def descendants(root):
    """All processes below one, nearest first."""
    children = {}  # type: dict[int, list[int]]
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open("/proc/%s/stat" % entry, "rb") as file:
                stat = file.read()
                parent = int(stat[stat.rindex(b")") + 2 :].split(b" ", 2)[1])
                children.setdefault(parent, []).append(int(entry))
    found, waiting = [], [root]
    while waiting:
        below_it = children.get(waiting.pop(0), [])
        found += below_it
        waiting += below_it
    return found


def main(command):
    """Run a sub-command; its exit status."""
    order = header()
    os.umask(0o077)
    return {"probe": probe, "receive": receive, "room": room}[command](order) or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
