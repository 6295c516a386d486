"""The sub-commands of `modelcompat` that work on stored runs: report, diff, export, merge.

Nothing here measures anything, and nothing in a stored run is trusted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_modelcompat import DEFAULT_REPORT
from pytest_modelcompat.errors import UsageProblem, command_line

if TYPE_CHECKING:
    import argparse

__all__ = ["declare"]

_EXPORTS = {
    "badges": "a badge for each target, as JSON for badge services; needs --output",
    "csv": "a row a case",
    "ctrf": "Common Test Report Format, a test for each pytest item",
    "jsonl": "a JSON object a line for each case, for log stores",
    "junit": "JUnit XML, for runs that pytest did not just write it for",
    "openmetrics": "counts by cell, for Prometheus",
    "summary": "Markdown for a job's page, up to 900 KB; summary.md is for a comment",
}


def declare(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the sub-commands to the parser's."""
    one = commands.add_parser("report", help="make the report of a stored run anew")
    one.add_argument("folder", nargs="?", default=DEFAULT_REPORT, help="of the stored run")
    one.add_argument(
        "--baseline", default=None, metavar="DIR", help="tell what changed since this stored run"
    )
    one.add_argument(
        "--history", default=None, metavar="FOLDER", help="of earlier runs: each case over time"
    )
    one.set_defaults(run=_report)

    one = commands.add_parser("diff", help="tell what changed from one stored run to another")
    one.add_argument("before", help="folder of the earlier run")
    one.add_argument("after", nargs="?", default=DEFAULT_REPORT, help="folder of the later run")
    one.add_argument("--all", action="store_true", help="known and still failing cases too")
    one.add_argument(
        "--across",
        action="append",
        default=[],
        metavar="AXIS",
        help="compare cells whose values of this axis differ, e.g. framework",
    )
    one.add_argument(
        "--cells", nargs=2, metavar=("BEFORE", "AFTER"), help="only these two cells, by id"
    )
    one.add_argument(
        "--history", default=None, metavar="FOLDER", help="of earlier runs: tells what is FLAKY"
    )
    one.add_argument("--json", action="store_true", help="one change a line, as JSON")
    one.set_defaults(run=_diff)

    one = commands.add_parser("export", help="a stored run in the formats of others")
    one.add_argument("folder", nargs="?", default=DEFAULT_REPORT, help="of the stored run")
    kind = one.add_mutually_exclusive_group(required=True)
    for name, words in _EXPORTS.items():
        kind.add_argument(f"--{name}", dest="format", action="store_const", const=name, help=words)
    one.add_argument(
        "--output", default=None, metavar="PATH", help="a file, or a folder for badges"
    )
    one.set_defaults(run=_export)

    one = commands.add_parser("merge", help="put the shards of a run together, checked")
    one.add_argument("parts", nargs="+", help="report folders, or zip files of one each")
    one.add_argument("--output", required=True, metavar="DIR", help="new folder of the whole run")
    one.add_argument(
        "--plan", default=None, metavar="FILE", help="of the whole, as `modelcompat plan` prints it"
    )
    one.add_argument(
        "--partial", action="store_true", help="merge what there is; the run is not finished then"
    )
    one.set_defaults(run=_merge)


def _report(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat import report  # noqa: PLC0415
    from pytest_modelcompat.results import changes_file, history  # noqa: PLC0415
    from pytest_modelcompat.results.load import load  # noqa: PLC0415

    folder = Path(arguments.folder)
    run = load(folder)
    told = history.collect(Path(arguments.history), also=run) if arguments.history else None
    if told is not None:
        history.write(folder, told)
    if arguments.baseline:
        changes_file.write(folder, load(Path(arguments.baseline)), run, told)
    sys.stdout.write(f"{report.render(folder)}\n")
    return 0


def _diff(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat.errors import results as errors  # noqa: PLC0415
    from pytest_modelcompat.report.text import clean  # noqa: PLC0415 - each command pays for itself
    from pytest_modelcompat.results.changes_file import as_json  # noqa: PLC0415
    from pytest_modelcompat.results.compare import compare_cells, compare_runs  # noqa: PLC0415
    from pytest_modelcompat.results.history import collect, flaky_told  # noqa: PLC0415
    from pytest_modelcompat.results.load import load  # noqa: PLC0415
    from pytest_modelcompat.results.told import Told  # noqa: PLC0415

    before, after = load(Path(arguments.before)), load(Path(arguments.after))
    if arguments.cells:
        first, second = arguments.cells
        changes = compare_cells(before, first, after, second)
    else:
        axes = {name for run in (before, after) for cell in run.cells for name in cell.axes}
        for name in arguments.across:
            if name not in axes:
                raise errors.no_axis(name, axes)
        changes = compare_runs(before, after, across=arguments.across)
    if arguments.history:
        changes = flaky_told(changes, collect(Path(arguments.history), also=after))
    told = Told(everything=arguments.all)
    if arguments.json:
        for change in changes:
            sys.stdout.write(json.dumps(as_json(change)) + "\n")
            told.fails = told.fails or change.fails
        return 1 if told.fails else 0
    for line in told.lines(changes):
        sys.stdout.write(clean(line).replace("\n", " ") + "\n")
    sys.stdout.write(f"{told.summary}\n")
    return 1 if told.fails else 0


def _export(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat import report  # noqa: PLC0415
    from pytest_modelcompat.report.markdown import JOB_LIMIT, markdown  # noqa: PLC0415
    from pytest_modelcompat.results.exports import FORMATS  # noqa: PLC0415
    from pytest_modelcompat.results.exports.badges import badges  # noqa: PLC0415
    from pytest_modelcompat.results.files import atomic_file, atomic_write  # noqa: PLC0415
    from pytest_modelcompat.results.folder import make_folder  # noqa: PLC0415
    from pytest_modelcompat.results.load import load  # noqa: PLC0415

    run = load(Path(arguments.folder))
    if arguments.format == "badges":
        if arguments.output is None:
            raise UsageProblem(command_line.badges_need_folder())
        output = Path(arguments.output)
        make_folder(output)
        for name, text in badges(run):
            atomic_write(output / name, text)
            sys.stdout.write(f"{output / name}\n")
        return 0
    if arguments.format == "summary":
        pieces = iter([markdown(report.view_of(run), JOB_LIMIT)])
    else:
        pieces = FORMATS[arguments.format](run)
    if arguments.output is None:
        for text in pieces:
            sys.stdout.write(text)
        return 0
    with atomic_file(Path(arguments.output)) as file:
        for text in pieces:
            file.write(text.encode("utf-8", "replace"))
    return 0


def _merge(arguments: argparse.Namespace) -> int:
    from pytest_modelcompat import report  # noqa: PLC0415
    from pytest_modelcompat.errors import results as errors  # noqa: PLC0415
    from pytest_modelcompat.report import terminal  # noqa: PLC0415
    from pytest_modelcompat.results.compat import write_compat  # noqa: PLC0415
    from pytest_modelcompat.results.load import load  # noqa: PLC0415
    from pytest_modelcompat.results.merge import merged  # noqa: PLC0415
    from pytest_modelcompat.results.merge_write import write_merged  # noqa: PLC0415
    from pytest_modelcompat.results.plan_read import plan_of  # noqa: PLC0415
    from pytest_modelcompat.results.unpack import is_silent, opened  # noqa: PLC0415

    output = Path(arguments.output)
    whole = plan_of(Path(arguments.plan)) if arguments.plan else None
    sources = [Path(each) for each in arguments.parts]
    silent = [each for each in sources if arguments.partial and is_silent(each)]
    if len(silent) == len(sources):
        raise errors.nothing_to_merge(len(silent))
    with opened([each for each in sources if each not in silent]) as parts:
        found = merged(parts, whole, silent)
        if found.problems and not arguments.partial:
            sys.stderr.write(
                "".join(f"modelcompat: {p}\n" for p in errors.incomplete(found.problems).problems)
            )
            return 1
        write_merged(found, output)
    run = load(output)
    write_compat(run)
    report.render(output)
    sys.stdout.write(terminal.summary(output) + "\n")
    return 0 if found.green else 1
