# The zipapp's entry: see worker/protocol.py. Until the version is checked, this runs on anything.
"""Start the supervisor from the zipapp, or the child from the folder that it was unpacked into."""

import os
import sys

if sys.version_info < (3, 8):  # whatever interpreter an image has
    sys.stderr.write("the worker needs Python 3.8, this is %d.%d\n" % sys.version_info[:2])
    sys.exit(3)


def unpack(folder):
    """Copy the worker's modules into a folder, so that a restarted child finds bytecode."""
    archive = os.path.dirname(__file__)
    read = sys.modules[__name__].__loader__.get_data  # type: ignore[union-attr]
    names = read(os.path.join(archive, "MANIFEST")).decode("ascii").split()
    for name in names:
        path = os.path.join(folder, *name.split("/"))
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:
            file.write(read(os.path.join(archive, *name.split("/"))))


def unpacked(private):
    """The folder of the worker's modules.

    With MODELCOMPAT_CODE it is kept there for later sessions, with the bytecode that the first one
    compiles; else it is private. Either way a child that is started anew finds bytecode.
    """
    kept = os.environ.get("MODELCOMPAT_CODE")
    if kept and os.path.isdir(kept):
        return kept
    unpack(private)
    if kept:
        try:
            os.rename(private, kept)
        except OSError:  # another session was faster, or it cannot be written
            return kept if os.path.isdir(kept) else private
        return kept
    return private


def observe(script):
    """Let coverage look on, which a script of the tests starts."""
    import runpy  # noqa: PLC0415 - for tests only

    runpy.run_path(script)


def supervise(nonce):
    """Make the private folder, and be the supervisor and its keeper."""
    folder = os.path.join(os.environ.get("TMPDIR") or "/tmp", "modelcompat-" + nonce)  # noqa: S108
    os.makedirs(os.path.join(folder, "work"), mode=0o700)
    code = unpacked(os.path.join(folder, "code"))
    sys.path[0] = code
    from modelcompat_worker import keeper  # type: ignore[import-not-found]  # noqa: PLC0415 - from where it was just unpacked

    parent = keeper.keep()
    from modelcompat_worker import supervisor  # noqa: PLC0415 - the keeper needs none of it

    supervisor.main(nonce, folder, code, parent)


def child(arguments):
    """Be the child."""
    import faulthandler  # noqa: PLC0415 - the child's only

    faulthandler.enable()
    from modelcompat_worker import child as module  # noqa: PLC0415 - not in the supervisor

    nonce, parent, handle, progress, folder = arguments
    module.main(nonce, int(parent), int(handle), int(progress), folder)


def main(arguments):
    """Be what the arguments say; without a word of ours first, the supervisor."""
    kind = arguments[0]
    if kind == "child":
        return child(arguments[1:])
    if kind == "collect":
        from modelcompat_worker import corpus  # noqa: PLC0415 - one of them is needed

        return corpus.main(arguments[1:])
    if kind == "examine":
        from modelcompat_worker import examine  # noqa: PLC0415

        return examine.main(arguments[1:])
    if kind == "produce":
        from modelcompat_worker import produce  # noqa: PLC0415

        return produce.main(arguments[1:])
    return supervise(kind)


if __name__ == "__main__":
    if "MODELCOMPAT_COVERAGE" in os.environ:
        observe(os.environ["MODELCOMPAT_COVERAGE"])
    sys.exit(main(sys.argv[1:]))
