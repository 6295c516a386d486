"""Measures the coverage of the process that runs this first, for `nox -s coverage`.

The environments of workers hold a framework and nothing of ours, so coverage comes from outside: a
release for each Python, in `build/coverage/packages`. A worker runs this file where
MODELCOMPAT_COVERAGE names it; other programs are started by it: `python observe.py PROGRAM ...`.

It changes nothing that the process does: what cannot be measured or saved is lost without a word,
and the figures are lower. What dies by a signal that it did not send itself is not measured.
"""
# ruff: noqa: PLC0415, PTH100, PTH112, PTH118, PTH120 - it runs in a cell, like the worker

import os
import runpy
import sys

PLACE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "build/coverage")
PACKAGES = os.path.join(PLACE, "packages", ".".join(map(str, sys.version_info[:2])))


def look_on():
    """Measure from here on, to whatever end of this process; once."""
    if not os.path.isdir(PACKAGES):
        return
    sys.path.insert(0, PACKAGES)
    try:
        import coverage
    finally:
        sys.path.remove(PACKAGES)
    if coverage.Coverage.current() is not None:
        return
    # without the data of others; saved when the interpreter exits
    measured = coverage.Coverage(
        os.path.join(PLACE, "data", "coverage"),
        config_file=os.path.join(PLACE, "worker.ini"),
        auto_data=True,
    )
    measured.start()

    def saving(function):
        def saved(*arguments):
            try:
                measured.stop()
                measured.save()
            finally:
                try:
                    function(*arguments)
                finally:  # it was not the end: no such program, or a signal that is handled
                    measured.start()

        return saved

    kill, ending = os.kill, saving(os.kill)
    os.kill = lambda pid, number: (
        ending(pid, number) if pid == os.getpid() and number else kill(pid, number)
    )
    os._exit, os.execv, os.execve = saving(os._exit), saving(os.execv), saving(os.execve)


look_on()
if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
