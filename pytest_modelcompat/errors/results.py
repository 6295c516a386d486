"""Sentences about report folders: the store, the output files, and stored runs read back."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import ModelcompatError, Problem, UsageProblem, suggest
from pytest_modelcompat.words import plural

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["StoreProblem", "StoredRunProblem", "WriteError"]


class StoreProblem(UsageProblem):
    """A report folder that a run cannot use."""


class StoredRunProblem(UsageProblem):
    """A stored run that cannot be read."""


class WriteError(ModelcompatError):
    """The folder could not be written: disk full, read-only, I/O error.

    Everything that was acknowledged before is still there.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CLOSED = {errno.EROFS, errno.EACCES, errno.EPERM}


def cannot_write(path: Path | str, error: BaseException) -> WriteError:
    """A file or the store could not be written.

    Args:
        path: what was being written.
        error: the OSError or sqlite3.Error.
    """
    number = getattr(error, "errno", None)
    words = str(error)
    if number in _FULL or "disk is full" in words:
        return WriteError(
            Problem(
                message="The disk is full.",
                hint="What was recorded before is kept; free some space and start the same "
                "command again, it continues with what is missing.",
                file=path,
            )
        )
    if number in _CLOSED or "readonly" in words:
        return WriteError(
            Problem(
                message="The folder cannot be written.",
                hint="Name a folder that this user may write: with --compat-report for a run, with "
                "--output for what is made of one; `modelcompat report` needs a copy of it.",
                file=path,
            )
        )
    if number == errno.ENOENT:
        return WriteError(
            Problem(
                message="The folder that this is to be written into does not exist.",
                hint="Make it first, or name another one.",
                file=path,
            )
        )
    return WriteError(
        Problem(
            message=f"Writing failed: {words}.",
            hint="What was recorded before is kept; start the same command again to continue.",
            file=path,
        )
    )


def in_use(folder: Path, owner: str, since: str) -> StoreProblem:
    """Another run is writing to the folder.

    Args:
        folder: of the report.
        owner: its process id, empty where that is unknown.
        since: when it began to, the same.
    """
    who = f" (process {owner}{f', since {since}' if since else ''})" if owner else ""
    return StoreProblem(
        Problem(
            message=f"Another run{who} is writing to this report folder.",
            hint="Wait for it, or name another folder: with --compat-report for a run, with "
            "--output for what is made of one.",
            file=folder,
        )
    )


def not_a_folder(folder: Path) -> StoreProblem:
    """The report folder's path is taken by something else."""
    return StoreProblem(
        Problem(
            message="This is not a folder.",
            hint="Name a folder, or a path that does not exist yet.",
            file=folder,
        )
    )


def foreign_files(folder: Path, names: list[str]) -> StoreProblem:
    """The folder holds files of somebody else under names that a run writes."""
    return StoreProblem(
        Problem(
            message=f"The folder already holds {', '.join(names)}, not written by modelcompat, "
            "and a run would overwrite it.",
            hint="Give --compat-report another folder, or move the file away.",
            file=folder,
        )
    )


def store_damaged(path: Path, detail: str) -> StoreProblem:
    """run.sqlite is there, but cannot be read."""
    return StoreProblem(
        Problem(
            message=f"The store is damaged or not a modelcompat store ({detail}).",
            hint="Delete it, or use another --compat-report folder, to start a new run.",
            file=path,
        )
    )


def store_newer(path: Path, found: int, known: int) -> StoreProblem:
    """run.sqlite was written by a newer release."""
    return StoreProblem(
        Problem(
            message=f"The store was written by a newer modelcompat (store schema {found}, this "
            f"one knows {known}).",
            hint="Upgrade pytest-modelcompat, or use another --compat-report folder.",
            file=path,
        )
    )


def store_older(path: Path, found: int, known: int) -> StoreProblem:
    """run.sqlite has an older schema than this release works on."""
    return StoreProblem(
        Problem(
            message=f"The store was written by an older modelcompat (store schema {found}, this "
            f"one works on {known}).",
            hint="Use the release that wrote it; run.json and cases.jsonl.gz beside it are still "
            "readable.",
            file=path,
        )
    )


def no_store(path: Path) -> StoreProblem:
    """Something that needs run.sqlite was asked of a folder without one."""
    return StoreProblem(
        Problem(
            message="There is no store here.",
            hint="This needs the run.sqlite that a run leaves beside its report. A merged folder "
            "has none: judge its parts again, and merge what comes of it.",
            file=path,
        )
    )


def blob_missing(path: Path) -> StoredRunProblem:
    """A stored output is gone."""
    return StoredRunProblem(
        Problem(
            message="This stored output is missing.",
            hint="Copy the whole report folder, `outputs` included.",
            file=path,
        )
    )


def blob_damaged(path: Path) -> StoredRunProblem:
    """A stored output is not what its name says."""
    return StoredRunProblem(
        Problem(
            message="The content of this stored output does not have the digest in its name.",
            hint="It was changed or cut off; run the cell again.",
            file=path,
        )
    )


def bad_digest(digest: str) -> StoredRunProblem:
    """Something that is no digest was used as one."""
    return StoredRunProblem(
        Problem(message=f"{digest[:80]!r} is not a content digest (64 hexadecimal digits).")
    )


def no_stored_run(folder: Path, *, unfinished: bool) -> StoredRunProblem:
    """The folder has no run.json."""
    if folder.is_file():
        return StoredRunProblem(
            Problem(
                message="This is a file, and a stored run is a folder.",
                hint="Name the folder that was given to --compat-report.",
                file=folder,
            )
        )
    if unfinished:
        return StoredRunProblem(
            Problem(
                message="This folder holds a run whose results were not written out yet.",
                hint="Start the same pytest command again to continue it.",
                file=folder,
            )
        )
    return StoredRunProblem(
        Problem(
            message="There is no stored run here (no run.json).",
            hint="Name a folder that was given to --compat-report.",
            file=folder,
        )
    )


def stored_newer(path: Path, found: int, known: int) -> StoredRunProblem:
    """A stored run was written by a newer release."""
    return StoredRunProblem(
        Problem(
            message=f"This run was stored by a newer modelcompat (schema {found}, this one "
            f"reads up to {known}).",
            hint="Upgrade pytest-modelcompat.",
            file=path,
        )
    )


def stored_bad(path: Path, detail: str, *, line: int | None = None) -> StoredRunProblem:
    """A stored file does not hold what it should.

    Args:
        path: the file.
        detail: what is wrong with it, without a full stop.
        line: 1-based, of files with one record a line.
    """
    return StoredRunProblem(
        Problem(
            message=f"This stored file is damaged: {detail}.",
            hint="Take a fresh copy of the report folder, or run it again.",
            file=path,
            line=line,
        )
    )


def no_pandas() -> UsageProblem:
    """Frames were asked for without pandas."""
    return UsageProblem(
        Problem(
            message="Data frames need pandas, which is not installed.",
            hint="Install it with: pip install 'pytest-modelcompat[frames]'.",
        )
    )


def no_such_cell(cell: str, known: Iterable[str]) -> UsageProblem:
    """A cell id that the run does not have."""
    return UsageProblem(
        Problem(message=f"The run has no cell {cell[:200]!r}.", hint=suggest(cell, known))
    )


def no_history(folder: Path) -> UsageProblem:
    """A folder of many runs that is none."""
    return UsageProblem(
        Problem(
            message="There is no such folder of earlier runs.",
            hint="Name the folder that holds their report folders.",
            file=folder,
        )
    )


def bad_archive(path: Path, detail: str) -> StoredRunProblem:
    """A zip file that is none, is damaged, or tries something.

    Args:
        path: the archive.
        detail: what is wrong with it, without a full stop.
    """
    return StoredRunProblem(
        Problem(
            message=f"This archive is refused: {detail}.",
            hint="Give a report folder, or a zip file of one.",
            file=path,
        )
    )


def part_bad(place: Path | str, detail: str) -> StoredRunProblem:
    """A part of a run that does not hold what it says."""
    return StoredRunProblem(
        Problem(
            message=f"This part cannot be merged: {detail}.",
            hint="Take a fresh copy of its report folder, plan.json included, or run it again.",
            file=place,
        )
    )


def parts_differ(places: Iterable[Path], what: str) -> UsageProblem:
    """Parts that are not of one run."""
    named = ", ".join(place.name for place in places)
    return UsageProblem(
        Problem(
            message=f"These are not parts of one run: they differ in their {what} ({named})."
            if not what.startswith("the same")
            else f"These are not parts of one run: they have {what} ({named}).",
            hint="Give the report folders of `--compat-shard 1/N` to `N/N`, all of one matrix.",
        )
    )


def cell_twice(cell: str, first: Path, second: Path) -> UsageProblem:
    """Two parts that both ran a cell."""
    return UsageProblem(
        Problem(
            message=f"The cell {cell[:120]!r} is in {first.name} and in {second.name}.",
            hint="Give each part once; two runs of the same cells are compared by `modelcompat "
            "diff`.",
        )
    )


def incomplete(problems: Iterable[str]) -> UsageProblem:
    """Parts that do not make a whole."""
    return UsageProblem([
        *(Problem(message=f"Not complete: {each}.") for each in problems),
        Problem(
            message="Nothing was written.",
            hint="Give the missing parts, or --partial to merge what there is.",
        ),
    ])  # fmt: skip


def nothing_to_merge(parts: int) -> UsageProblem:
    """Parts of which none has results."""
    return UsageProblem(
        Problem(
            message=f"Of {plural(parts, 'part')} none has results, so there is nothing to merge.",
            hint="Run them again, or look at what ended them.",
        )
    )


def no_results(folder: Path) -> str:
    """Why a part is missing that has a folder: a clause."""
    began = (folder / "plan.json").exists()
    return "a run began and left no results" if began else "no run began"


def in_no_part(folder: str | None) -> str:
    """The reason of a cell that a merged run lacks: nobody ran it, or who did was ended."""
    if folder is None:
        return "no part of the merged run has this cell"
    return f"its run began in {folder} and was ended before it wrote results"


def merge_into_part(folder: Path) -> UsageProblem:
    """The output folder is one of the parts, or holds something else."""
    return UsageProblem(
        Problem(
            message="The merged run needs a folder of its own, new or empty.",
            hint="Name another one with --output.",
            file=folder,
        )
    )


def rejudged_over_another(folder: Path) -> UsageProblem:
    """The folder of the copy holds another run, which was measured there."""
    return UsageProblem(
        Problem(
            message="The run that is judged anew would replace what is in this folder.",
            hint="It is another run, and no copy that `rejudge` made of one, which would be "
            "replaced. Name another folder with --output.",
            file=folder,
        )
    )


def judged_against(folder: Path, cell: str) -> UsageProblem:
    """A run whose cases no longer say what their own reference was."""
    return UsageProblem(
        Problem(
            message=f"This run was judged against cell {cell}, which took the place of the "
            "references that its cases had.",
            hint=f"Give --against {cell}, or another cell; or judge the run that this is a copy "
            "of.",
            file=folder,
        )
    )


def no_axis(name: str, axes: Iterable[str]) -> UsageProblem:
    """An axis that neither of two runs has."""
    known = sorted(axes)
    return UsageProblem(
        Problem(
            message=f"Neither run has an axis {name!r}; there are {', '.join(known)}.",
            hint=suggest(name, known),
        )
    )


def bad_tolerance(text: str, detail: str, hint: str = "") -> Problem:
    """A tolerance on the command line that is none.

    Args:
        text: as given.
        detail: what is wrong with it, a clause.
        hint: what was likely meant.
    """
    return Problem(
        message=f"--tolerance {text[:80]!r}: {detail}.",
        hint=hint or "Write it like float32:rtol=1e-2,atol=1e-4 or float16:ulp=8.",
    )
