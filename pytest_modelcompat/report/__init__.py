"""The report: one HTML file, a summary for a pull request, a screen for the terminal.

Data, then view, then template: `data.read` makes columns of the stored run, `view.build` does
all the arithmetic, `html`, `markdown` and `terminal` lay the same view out. It sees only
`results`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_modelcompat.results.files import atomic_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_modelcompat.report.view import View
    from pytest_modelcompat.results.load import Run
    from pytest_modelcompat.results.stored import StoredCase

__all__ = ["INDEX", "SUMMARY", "render", "view_of", "write"]

INDEX, SUMMARY = "index.html", "summary.md"


def render(folder: Path) -> Path:
    """Writes `index.html` and `summary.md` into a run's folder.

    Args:
        folder: of `--compat-report`, with run.json and cases.jsonl.gz in it.

    Returns:
        The path of `index.html`.

    Raises:
        StoredRunProblem: the folder holds no run, or a damaged one.
    """
    return write(view_of(folder), Path(folder))


def view_of(source: Path | Run, also: Callable[[StoredCase], None] | None = None) -> View:
    """All that is shown of a run.

    Args:
        source: its folder, or the run itself.
        also: told of each case that is read.

    Raises:
        StoredRunProblem: the folder holds no run, or a damaged one.
    """
    from pytest_modelcompat.report.data import read  # noqa: PLC0415 - numpy only if needed
    from pytest_modelcompat.report.view import build  # noqa: PLC0415

    return build(read(Path(source) if isinstance(source, str) else source, also))


def write(view: View, folder: Path) -> Path:
    """Writes a view as `index.html`, whose path is returned, and `summary.md`."""
    # Late: the terminal's few lines must not cost the page's template engine.
    from pytest_modelcompat.report.html import html  # noqa: PLC0415
    from pytest_modelcompat.report.markdown import markdown  # noqa: PLC0415

    _write(folder / SUMMARY, [markdown(view)])
    return _write(folder / INDEX, html(view))


def _write(path: Path, parts: Iterable[str]) -> Path:
    """Writes a file so that it is either the old one or the whole new one."""
    with atomic_file(path) as file:
        for text in parts:
            file.write(text.encode())
    return path
