"""A wall clock that jumps, as clocks of machines that sleep or are set do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.worker.test_deaths import SEVEN, assert_others_passed

# Each time that somebody asks the wall clock, it has jumped by hours, back or forth.
JUMPING_CLOCK = """\
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long asked;
static long jump(void)
{
    long n = __sync_add_and_fetch(&asked, 1) + getpid();
    return (n * n * 37 % 101 - 50) * 3600;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    long failed = syscall(SYS_clock_gettime, id, now);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone)
{
    long failed = syscall(SYS_gettimeofday, now, zone);
    now->tv_sec += jump();
    return failed;
}

time_t time(time_t *now)
{
    time_t told = syscall(SYS_time, 0) + jump();
    if (now) *now = told;
    return told;
}
"""
LOOK = "import time; assert len({int(time.time()) // 3600 for _ in range(9)}) > 3; " + SEVEN


@pytest.fixture(scope="session")
def jumping_clock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library that makes the wall clock of whoever loads it jump."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(JUMPING_CLOCK)
    library = folder / "clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "clock.c"], check=True)
    return str(library)


@pytest.mark.every_python
def test_deadlines_do_not_care_for_the_wall_clock(worker, jumping_clock: str) -> None:
    cases = [LOOK, "import time; time.sleep(1000)", "import time; time.sleep(0.3)", SEVEN]
    session = worker.run(cases, case=1.5, env={"LD_PRELOAD": jumping_clock})
    assert session.answers[1].how == "timed_out"
    assert_others_passed(session, 4, 1)


HOST = """\
import os, sys, time
from pathlib import Path
from pytest_modelcompat.runner import command
assert len({int(time.time()) // 3600 for _ in range(9)}) > 3
here = {"env": dict(os.environ), "cwd": Path("/")}
done = command.run([sys.executable, "-c", "import time; time.sleep(1000)"], timeout=1.0, **here)
assert done.timed_out, done
done = command.run([sys.executable, "-c", "import time; time.sleep(0.3)"], timeout=100.0, **here)
assert done.ok, done
"""


def test_nor_do_those_of_the_host(jumping_clock: str) -> None:
    subprocess.run(
        [sys.executable, "-c", HOST], env={**os.environ, "LD_PRELOAD": jumping_clock},
        check=True, timeout=60,
    )  # fmt: skip
