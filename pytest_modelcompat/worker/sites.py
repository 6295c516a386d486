"""Folders of packages that are not the interpreter's own: environments mounted somewhere."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["extend_path"]


def extend_path(folders: Sequence[str] = ()) -> None:
    """Add site folders: those given, and those by which an environment is not in the interpreter's.

    These come by a variable of their own, because the interpreter runs isolated from PYTHONPATH.
    """
    import site  # noqa: PLC0415 - loaded anyway

    for folder in [*folders, *os.environ.get("MODELCOMPAT_SITE", "").split(os.pathsep)]:
        if folder:
            site.addsitedir(folder)
