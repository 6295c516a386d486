"""Who is left when somebody kills the supervisor.

The process that the host starts is the keeper. It forks the supervisor before anything else is
imported, becomes the reaper of what that one's death would orphan, and then only waits. So each of
host, keeper and supervisor can be killed on its own, and another one ends what a model started,
whatever sessions and groups that is in:

* the host dies: the supervisor's standard input ends, and so does everything below it;
* the supervisor dies: its descendants become the keeper's, who kills them and dies the same death;
* the keeper dies: the supervisor gets SIGTERM from the kernel.
"""

from __future__ import annotations

import os
import signal

from .processes import adopt_orphans, alone, end_descendants

__all__ = ["keep"]

_PASSED_ON = (signal.SIGTERM, signal.SIGHUP)


def keep() -> int:
    """Become two processes; only the one that is to be the supervisor returns.

    Returns:
        The keeper's process id, or 0 where there is none: in a container of ours, which ends with
        its first process, and where the supervisor ends a case by killing everybody else.
    """
    if alone():
        return 0
    keeper = os.getpid()
    supervisor = os.fork()
    if supervisor:
        status = 1 << 8
        try:
            status = _wait(supervisor)
        finally:
            _end_like(status)
    return keeper


def _wait(supervisor: int) -> int:
    """Wait for the supervisor, end what it leaves; its wait status."""
    for number in _PASSED_ON:  # it cleans up, and then we end with it
        signal.signal(number, lambda received, _: _pass_on(supervisor, received))
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    # The host must see the end of its pipes when the supervisor ends.
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(nothing, handle)
    adopt_orphans()
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == supervisor:
            end_descendants()
            return status


def _pass_on(supervisor: int, number: int) -> None:
    try:
        os.kill(supervisor, number)
    except ProcessLookupError:
        return  # it ended just now, and what is left is being ended


def _end_like(status: int) -> None:
    """Have the host see the end that the supervisor had."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            from .limits import forgo_core  # noqa: PLC0415 - after an accident only

            forgo_core()
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))
