"""Sentences about the command line and about a run as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import Problem, environment, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def needs_matrix(option: str) -> Problem:
    """An option of ours without `--compat-matrix`."""
    return Problem(
        message=f"{option} does nothing without --compat-matrix.",
        hint="Add --compat-matrix, with a file or folder unless the ini names one.",
    )


def not_linux(system: str) -> Problem:
    """A host that is not Linux."""
    return Problem(message=f"Compatibility matrices run on Linux hosts; this one is {system}.")


def no_matrix(path: str) -> Problem:
    """A matrix path that does not exist."""
    return Problem(
        message=f"There is no matrix at {path!r}.",
        hint="Name a YAML file or a folder of them, or run `modelcompat init` to write one.",
    )


def empty_folder(path: str) -> Problem:
    """A folder without any matrix."""
    return Problem(
        message=f"The folder {path!r} holds no matrix file (*.yaml, *.yml).",
        hint="Run `modelcompat init` to write one.",
    )


def bad_jobs(text: str) -> Problem:
    """A number of jobs that is not one."""
    return Problem(
        message=f"--compat-jobs takes a whole number from 1 to 1024, not {text[:60]!r}.",
    )


def bad_shard(text: str) -> Problem:
    """A shard that is not I/N."""
    return Problem(
        message=f"--compat-shard takes I/N with 1 <= I <= N, not {text[:60]!r}.",
        hint="The first of four parts is 1/4.",
    )


def bad_status(text: str, known: Iterable[str]) -> Problem:
    """A status that --compat-fail-on does not know."""
    return Problem(
        message=f"--compat-fail-on does not know the status {text[:60]!r}.",
        hint=suggest(text, known),
    )


def bad_report_folder(path: str, why: str) -> Problem:
    """A report folder that cannot be one."""
    return Problem(
        message=f"The report folder {path!r} cannot be used: {why}.",
        hint="Name another folder with --compat-report.",
    )


def no_baseline(path: str) -> Problem:
    """A baseline that is not a stored run."""
    return Problem(
        message=f"The baseline {path!r} is not the folder of a stored run: it has no run.json.",
        hint="Name the report folder of an earlier run.",
    )


def baseline_is_report(path: str) -> Problem:
    """A run that would replace what it is compared with."""
    return Problem(
        message=f"The baseline {path!r} is the folder that this run writes its report into.",
        hint="Copy the earlier run, or give --compat-report another folder.",
    )


def xdist() -> Problem:
    """`-n` together with a matrix."""
    return Problem(
        message="--compat-matrix runs its cells side by side itself and cannot share them out "
        "with pytest-xdist's -n.",
        hint="Leave out -n and use --compat-jobs.",
    )


def nothing_selected(select: str) -> Problem:
    """A selection that leaves no cell."""
    return Problem(
        message=f"The selection {select[:200]!r} leaves no cell of the matrix.",
        hint="`pytest --compat-matrix --compat-plan` shows the cells and their axes.",
    )


def no_cells() -> Problem:
    """Matrices whose rules leave no cell."""
    return Problem(
        message="The rules of the matrix leave no cell to run.",
        hint="`pytest --compat-matrix --compat-plan` shows which rule removed what.",
    )


def corpus_missing(corpus: str, reason: str) -> str:
    """A corpus that could not be collected; the run cannot be planned without it."""
    return (
        f"The node tests of {corpus} could not be had, so nothing was planned and nothing ran: "
        f"{reason}"
    )


def unmeasured(matrix: str) -> str:
    """A matrix of which nothing was measured fails the run, and says so."""
    return (
        f"NOTHING WAS MEASURED of the matrix {matrix!r}: not one of its cases ran, so the run fails"
    )


def nothing_to_bisect(versions: Iterable[str]) -> Problem:
    """A target with fewer than two versions."""
    told = ", ".join(versions) or "none"
    return Problem(
        message=f"There is nothing to search between: the releases of this target are {told}.",
        hint="Name at least an old and a new one in the matrix; --releases asks the index for "
        "those between.",
    )


def one_matrix(path: str, number: int) -> Problem:
    """A folder where one matrix is meant."""
    return Problem(message=f"{path!r} holds {number} matrices.", hint="Name one of them.")


def several_targets(targets: Iterable[str]) -> Problem:
    """A search that could mean several places."""
    shown = list(targets)
    more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""  # noqa: PLR2004 - a few lines
    return Problem(
        message=f"A search goes along one target; these are {len(shown)}: "
        f"{'; '.join(shown[:6])}{more}.",
        hint='Narrow it, for example with --select "framework:onnxruntime python:3.11".',
    )


def several_cases(what: str, names: Iterable[str]) -> Problem:
    """A name that several cases have."""
    shown = list(names)
    more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""  # noqa: PLR2004 - a few lines
    return Problem(
        message=f"{what[:120]!r} means {len(shown)} cases: {', '.join(shown[:6])}{more}.",
        hint="Name one of them in full.",
    )


def no_such_case(what: str, known: Iterable[str]) -> Problem:
    """A case that the matrix does not have."""
    return Problem(
        message=f"The matrix has no case {what[:120]!r}.",
        hint=suggest(what, known) or "`modelcompat plan` lists them.",
    )


def badges_need_folder() -> Problem:
    """`modelcompat export --badges` without a folder."""
    return Problem(
        message="Badges are a file for each target.", hint="Name a folder for them with --output."
    )


def file_exists(path: str) -> Problem:
    """A file that `init` would overwrite."""
    return Problem(message=f"{path} exists already.", hint="Name another file.")


def nothing_to_explain(
    what: str, report: str, known: Iterable[str], cells: Sequence[str]
) -> Problem:
    """A name that the stored run does not have.

    Args:
        what: as typed.
        report: folder of the run.
        known: its operators and models.
        cells: ids that have the name as a part.
    """
    alike = f"Cells with it in their id: {', '.join(cells[:20])}." if cells else ""
    return Problem(
        message=f"The run in {report!r} has no cell {what[:200]!r}, no operator or model of that "
        "name, and no case named like it.",
        hint=alike
        or suggest(what, known)
        or "`modelcompat report` makes the page that lists them.",
    )


def no_access(error: OSError, cache: Path) -> Problem:
    """A file or folder that the system refuses; what is in the cache, nobody has named."""
    if Path(str(error.filename)).is_relative_to(cache):
        return Problem(message=environment.refused(str(cache), error))
    return Problem(message=f"{error.filename}: {error.strerror}.", hint="Name another one.")
