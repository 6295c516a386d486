"""The `modelcompat` command: everything around a run that is not the run itself.

Each sub-command is a function that takes its parsed arguments and returns an exit status; mistakes
of the user are a sentence on standard error and exit status 4, as in pytest.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat import DEFAULT_REPORT, __version__, stored_runs
from pytest_modelcompat.errors import ModelcompatError, UsageProblem, command_line
from pytest_modelcompat.kubernetes import command as kubernetes
from pytest_modelcompat.paths import text_of, typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_modelcompat.results.stored import StoredCase, StoredCell

__all__ = ["USAGE_ERROR", "main"]

USAGE_ERROR = 4
"""As `pytest.ExitCode` has it; importing pytest takes longer than most commands."""

STARTER = """\
# Which onnxruntime releases run these models, and run them right?
# Run with: pytest --compat-matrix={name}
schema: 1
axes:
  framework:
    onnxruntime: ["1.20.1", "1.23.2"]
checks:
  op_support:
    corpus: ["onnx==1.18.0"]
    match: [Conv, Relu, MatMul]
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one sub-command.

    Args:
        argv: without the program's name; default: the command line.

    Returns:
        The exit status: 0, 1 where something is not as it should be, 4 for a mistake of the user.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what is written is the same in every locale
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    parser = _parser()
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:  # whoever read this has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UsageProblem as problem:
        for each in problem.problems:
            sys.stderr.write(f"modelcompat: {each}\n")
        return USAGE_ERROR
    except ModelcompatError as error:
        sys.stderr.write(f"modelcompat: {error}\n")
        return USAGE_ERROR
    except OSError as error:
        if error.filename is None:
            raise
        from pytest_modelcompat.environments.cache import cache_folder  # noqa: PLC0415

        sys.stderr.write(f"modelcompat: {command_line.no_access(error, cache_folder())}\n")
        return USAGE_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="modelcompat", description="Around compatibility runs of models.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    one = commands.add_parser("init", help="write a small matrix to start from")
    one.add_argument("file", nargs="?", default="matrices/compat.yaml", help="to write")
    one.set_defaults(run=_init)

    one = commands.add_parser("plan", help="print what a matrix would run, and why, as JSON")
    one.add_argument("matrix", nargs="?", default="", help="file or folder")
    one.add_argument(
        "--select", default=None, type=typed, metavar="MATCHER", help="only these cells"
    )
    one.set_defaults(run=_plan)

    one = commands.add_parser("lock", help="resolve every environment of a matrix; install nothing")
    one.add_argument("matrix", help="the file")
    one.add_argument(
        "--select", default=None, type=typed, metavar="MATCHER", help="only these cells"
    )
    one.add_argument("--output", default="locks", metavar="DIR", help="for the locks")
    one.add_argument(
        "--libc", default=None, metavar="VERSION", help="as if for a machine with this glibc"
    )
    one.set_defaults(run=_lock)

    one = commands.add_parser(
        "rejudge", help="apply other tolerances to a stored run; nothing is measured"
    )
    one.add_argument("folder", nargs="?", default=DEFAULT_REPORT, help="of the stored run")
    one.add_argument(
        "--output", default=None, metavar="DIR", help="default: beside the run; replaces a copy"
    )
    one.add_argument(
        "--tolerance",
        action="append",
        default=[],
        metavar="TYPE:KEY=NUMBER",
        help="for example float32:rtol=1e-2,atol=1e-4 or float16:ulp=8",
    )
    one.add_argument(
        "--against", default=None, metavar="CELL", help="compare with this cell's outputs"
    )
    one.set_defaults(run=_rejudge)

    stored_runs.declare(commands)
    kubernetes.declare(commands)

    one = commands.add_parser("bisect", help="find the release that broke, or mended, a case")
    one.add_argument("matrix", help="with the releases to search between")
    one.add_argument("case", type=typed, help="its name, with or without its corpus, or its unit's")
    one.add_argument("--select", default=None, type=typed, metavar="MATCHER", help="one target")
    one.add_argument(
        "--accept", default="", metavar="STATUS,...", help="good besides passed, e.g. fallback"
    )
    one.add_argument(
        "--releases", action="store_true", help="also those of the index between the matrix' own"
    )
    one.add_argument("--every", action="store_true", help="run all, and show what comes and goes")
    one.add_argument(
        "--report", default="reports/bisect", metavar="DIR", help="a report for each release run"
    )
    one.set_defaults(run=_bisect)

    one = commands.add_parser(
        "explain", help="tell a case or cell of a stored run in full, or list an operator's cases"
    )
    one.add_argument(
        "what",
        type=typed,
        help="a cell's id, an operator (Conv, or Conv@13 for one opset), a model, a pytest item, "
        "or part of a case's name",
    )
    one.add_argument(
        "--report", default=DEFAULT_REPORT, metavar="DIR", help="folder of the stored run"
    )
    one.set_defaults(run=_explain)

    one = commands.add_parser("doctor", help="say what this machine offers to a run")
    one.set_defaults(run=_doctor)

    one = commands.add_parser("clean", help="remove what dead runs left, or the whole cache")
    one.add_argument("--all", action="store_true", help="the whole cache")
    one.set_defaults(run=_clean)
    return parser


class _Parser(argparse.ArgumentParser):
    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments, allow_abbrev=False)  # `clean --a` is not `clean --all`

    def error(self, message: str) -> None:  # type: ignore[override]
        """As argparse does, with pytest's exit status for a usage error."""
        self.print_usage(sys.stderr)
        self.exit(USAGE_ERROR, f"{self.prog}: {message}\n")


def _init(arguments: argparse.Namespace) -> int:
    path = Path(arguments.file)
    if path.exists():
        raise UsageProblem(command_line.file_exists(str(path)))
    path.parent.mkdir(parents=True, exist_ok=True)
    text = STARTER.format(name=text_of(path))
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"wrote {path}; run it with: pytest --compat-matrix={path.as_posix()}\n")
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat import members, pipeline  # noqa: PLC0415

    root = Path.cwd()
    settings = pipeline.Settings(
        files=pipeline.matrix_files(arguments.matrix, root),
        report=root / DEFAULT_REPORT,
        root=root,
        select=arguments.select,
        members=members.installed(),
    )
    loaded = pipeline.Loaded(settings, pipeline.load(settings), note=_tell)
    for text in pipeline.plan_text(pipeline.plan(pipeline.corpora(loaded)).plan):
        sys.stdout.write(text)
    sys.stdout.write("\n")
    return 0


def _lock(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat.lock import lock_matrix  # noqa: PLC0415 - each command pays for itself
    from pytest_modelcompat.members import installed  # noqa: PLC0415

    lines, complete = lock_matrix(
        Path(arguments.matrix),
        select=arguments.select,
        output=Path(arguments.output),
        members=installed(),
        libc=arguments.libc,
    )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0 if complete else 1


def _rejudge(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat.results import rejudge  # noqa: PLC0415 - each pays for itself

    sys.stdout.write(
        rejudge.command(
            Path(arguments.folder),
            output=Path(arguments.output) if arguments.output else None,
            tolerances=arguments.tolerance,
            against=arguments.against,
            other_rules=_other_rules,
        )
    )
    return 0


def _other_rules() -> None:
    """Judging knows the rules of other plugins from now on, all of which are imported for that."""
    from pytest_modelcompat.members import installed  # noqa: PLC0415

    installed()


def _tell(line: str) -> None:
    from pytest_modelcompat.report.text import clean  # noqa: PLC0415

    sys.stderr.write(clean(line).replace("\n", " ") + "\n")


def _bisect(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat import bisect, pipeline  # noqa: PLC0415
    from pytest_modelcompat.members import installed  # noqa: PLC0415
    from pytest_modelcompat.report.text import clean  # noqa: PLC0415
    from pytest_modelcompat.results.model import Status  # noqa: PLC0415

    accept = [word.strip() for word in arguments.accept.split(",") if word.strip()]
    known = [status.value for status in Status]
    wrong = [command_line.bad_status(word, known) for word in accept if word not in known]
    if wrong:
        raise UsageProblem(wrong)
    root = Path.cwd()
    files = pipeline.matrix_files(arguments.matrix, root)
    if len(files) != 1:
        raise UsageProblem(command_line.one_matrix(arguments.matrix, len(files)))
    settings = pipeline.Settings(
        files=files,
        report=root / arguments.report,
        root=root,
        select=arguments.select,
        members=installed(),
    )
    found = bisect.bisect(
        settings,
        case=arguments.case,
        accept=accept,
        releases=arguments.releases,
        every=arguments.every,
        tell=_tell,
    )
    for line in bisect.summary(found, every=arguments.every):
        sys.stdout.write(clean(line).replace("\n", " ") + "\n")
    return 0 if found.before is not None else 1


def _explain(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat.report.text import clean  # noqa: PLC0415
    from pytest_modelcompat.results.explain import find, unit_lines  # noqa: PLC0415
    from pytest_modelcompat.results.load import load  # noqa: PLC0415

    run = load(Path(arguments.report))
    for cell in run.cells:
        if cell.id == arguments.what:
            sys.stdout.write(_shown(cell))
            return 0
    found, named, units = find(arguments.what, run.cases)
    if len(found) > 1:
        for line in unit_lines(found):
            sys.stdout.write(clean(line).replace("\n", " ") + "\n")
        sys.stdout.write("`modelcompat explain CASE` tells one in full\n")
        return 0
    told = 0
    for case in found or named:
        told += 1
        sys.stdout.write(_shown(case))
    if not told:
        cells = [cell.id for cell in run.cells if arguments.what in cell.id]
        raise UsageProblem(
            command_line.nothing_to_explain(arguments.what, arguments.report, units, cells)
        )
    return 0


def _shown(record: StoredCell | StoredCase) -> str:
    """A stored record as JSON for people; hostile characters are escaped."""
    from pytest_modelcompat.results.stored import shown  # noqa: PLC0415

    values = asdict(record) if is_dataclass(record) else shown(record)
    known = {name: value for name, value in values.items() if value not in (None, "", {})}
    return json.dumps(known, indent=2, default=str) + "\n"


def _doctor(_: argparse.Namespace) -> int:
    from pytest_modelcompat.environments import doctor  # noqa: PLC0415

    for line in doctor.lines():
        sys.stdout.write(f"{line}\n")
    return 0 if not doctor.cache_problem() else 1


def _clean(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat.environments.cache import cache_folder, clear, sweep  # noqa: PLC0415
    from pytest_modelcompat.environments.docker import cleaning  # noqa: PLC0415

    cache = cache_folder()
    if arguments.all:
        clear(cache)
        sys.stdout.write(f"removed {cache}{cleaning.clean(images=True)}\n")
        return 0
    removed = sweep(cache)
    sys.stdout.write(f"removed {len(removed)} left-overs{cleaning.clean(images=False)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
