"""One case, measured: load, assign, run, and what came out. No verdict is made here."""

from __future__ import annotations

import os
import time

from . import confine
from .calls import Calls
from .progress import ASSIGN, LOAD, RUN, STAGES
from .random_inputs import random_inputs
from .values import Blobs, describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .bundle import Bundle
    from .values import Value

__all__ = ["Exited", "measure", "words"]

_BIG = 1 << 20  # a model from here on has its own peak of memory measured, which costs 50 us
_MESSAGE = 64 << 10


class Exited(Exception):
    """The case called sys.exit, or was interrupted; `code` is the exit code it wanted."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def measure(
    adapter: Any,
    bundle: Bundle,
    index: int,
    *,
    repeats: int,
    provider: str,
    options: dict[str, str],
    root: str | None,
    enter: Callable[[int], None],
    whole: bool = False,
) -> tuple[dict[str, Any], Blobs]:
    """Measure case `index` of a bundle.

    Args:
        adapter: of the runtime.
        bundle: opened.
        index: of the case.
        repeats: how often it runs.
        provider: asked for.
        options: of the adapter.
        root: folder of the models that are files.
        enter: told of each stage but the first before it begins.
        whole: give the data set in one call, whatever the case says.

    Returns:
        The fields of a `result` message, and its raw bytes.

    Raises:
        Exited: the case wanted to leave.
    """
    found: dict[str, Any] = {
        "error": None,
        "outputs": [],
        "distinct": [],
        "ran_on": None,
        "load_seconds": 0.0,
        "run_seconds": [],
        "peak_rss": 0,
        "opset": bundle.case(index).get("opset") or 0,
        "stage": STAGES[LOAD],
    }

    def entered(stage: int) -> None:
        enter(stage)
        found["stage"] = STAGES[stage]

    blobs = Blobs()
    try:
        model = _model(bundle, index, root)
        options = _with_libraries(bundle.case(index), options, root)
        big = _watch_memory(bundle.case(index))
        begun = time.perf_counter()
        session = adapter.load(model, provider, options)
        found["load_seconds"] = time.perf_counter() - begun
        del model
        entered(ASSIGN)
        session.assign()
        entered(RUN)
        feeds = _feeds(bundle, index, session, found, blobs)
        how = None if whole else bundle.case(index).get("calls")
        calls = Calls(how, feeds) if how else None
        answers = _run(session, feeds, calls, repeats, found)
        found["ran_on"] = session.placement()
        if not found["opset"] and hasattr(session, "opset"):
            found["opset"] = max(0, session.opset())
        found["peak_rss"] = _peak() if big else 0
        session.close()  # before the answer goes out: a crash in here is the case's, too
        found["outputs"] = [
            [[name, describe(value, blobs)] for name, value in answer] for answer in answers
        ]
    except (SystemExit, KeyboardInterrupt) as leaving:
        raise Exited(_exit_code(leaving), words(leaving)["message"]) from leaving
    except BaseException as problem:
        found.update(error=words(problem), distinct=[])
        found.pop("inputs", None)
        blobs = Blobs()
    return found, blobs


def _run(
    session: Any,
    feeds: dict[str, Value],
    calls: Calls | None,
    repeats: int,
    found: dict[str, Any],
) -> list[list[tuple[str, Value]]]:
    """Run as often as asked; the answers that differ, in order of appearance."""
    answers: list[list[tuple[str, Value]]] = []
    for _ in range(max(1, repeats)):
        if calls is not None:
            answer, seconds = calls.run(session)
        else:
            begun = time.perf_counter()
            answer = session.run(feeds)
            seconds = time.perf_counter() - begun
        found["run_seconds"].append(seconds)
        if answer not in answers:
            answers.append(answer)
        found["distinct"].append(answers.index(answer) if len(answers) > 1 else 0)
    return answers


def _model(bundle: Bundle, index: int, root: str | None) -> Any:
    """The model's bytes, or its path; Refused where it refers to what it must not."""
    place = bundle.case(index)["model"]
    if "file" in place:
        path = confine.locate(root or "", place["file"])
        confine.check(path, os.path.dirname(path))
        return path
    model = bundle.model(index)
    confine.check(model, None)
    return model


def _with_libraries(
    case: dict[str, Any], options: dict[str, str], root: str | None
) -> dict[str, str]:
    """The options, with the operators' libraries that the model comes with or names by module."""
    places = [confine.locate(root or "", name) for name in case.get("libraries") or ()]
    places += case.get("library_modules") or ()
    return {**options, "custom_ops": os.pathsep.join(places)} if places else options


def _feeds(
    bundle: Bundle, index: int, session: Any, found: dict[str, Any], blobs: Blobs
) -> dict[str, Value]:
    """Inputs by name: runtimes drop inputs that folded away, so a position says nothing."""
    wanted = bundle.case(index).get("random")
    if wanted is not None:
        made = random_inputs(session.signature(), wanted)
        found["inputs"] = [[name, describe(value, blobs)] for name, value in made]
        return dict(made)
    given = bundle.inputs(index)
    if not any(isinstance(key, int) for key, _ in given):
        return {str(key): value for key, value in given}
    names = list(session.inputs())
    positions = [key for key, _ in given if isinstance(key, int)]
    if max(positions) >= len(names):
        raise ValueError(
            "the data set has an input at position {}, the model takes {}: {}".format(
                max(positions), len(names), ", ".join(map(str, names))
            )
        )
    return {names[key] if isinstance(key, int) else key: value for key, value in given}


def _watch_memory(case: dict[str, Any]) -> bool:
    """Begin a new peak of memory where the model is worth it; False where it is not measured."""
    if case["model"].get("n", _BIG) < _BIG:
        return False
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        return False
    return True


def _peak() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def _exit_code(leaving: BaseException) -> int:
    if isinstance(leaving, KeyboardInterrupt):
        return 130
    code = getattr(leaving, "code", 1)
    if code is None:
        return 0
    return code if type(code) is int else 1


def words(problem: BaseException) -> dict[str, str]:
    """An exception as data: type, message, and where it was raised."""
    kind = type(problem)
    name = str(getattr(kind, "__qualname__", kind))
    module = str(getattr(kind, "__module__", ""))
    try:
        message = str(problem)
    except BaseException as again:
        message = "<{} has no words: {}>".format(name, type(again).__name__)
    if len(message) > _MESSAGE:
        half = _MESSAGE // 2
        message = "{}\n[... {} characters left out ...]\n{}".format(
            message[:half], len(message) - 2 * half, message[-half:]
        )
    return {
        "type": name if module in ("builtins", "") else "{}.{}".format(module, name),
        "message": message,
        "where": _where(problem),
    }


def _where(problem: BaseException) -> str:
    """The innermost lines of Python that it came through."""
    places, trace = [], problem.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append("{}:{} {}".format(code.co_filename, trace.tb_lineno, code.co_name))
        places = places[-4:]
        trace = trace.tb_next
    return "\n".join(places)
