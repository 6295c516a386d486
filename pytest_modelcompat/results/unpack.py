"""Zipped report folders of others: what is taken out of them, and what is refused.

Only files that a run writes are taken, under names that we make; nothing in an archive says where
something goes. Names, kinds, numbers, sizes and ratios are checked before and while bytes come out,
because an archive may say one thing and hold another. Nothing is executed or unpickled.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from pytest_modelcompat.errors import results as errors
from pytest_modelcompat.results.load import load
from pytest_modelcompat.results.plan_file import PLAN
from pytest_modelcompat.results.write import CASES, RUN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_modelcompat.results.load import Run

__all__ = ["is_silent", "opened"]

_TAKEN = re.compile(
    rf"(?:{re.escape(RUN)}|{re.escape(CASES)}|{re.escape(PLAN)}"
    r"|locks/[0-9a-f]{64}\.txt|outputs/([0-9a-f]{2})/\1[0-9a-f]{62})\Z"
)
_MEMBERS = 1_000_000
_MEMBER = 4 * 2**30  # bytes
_TOTAL = 32 * 2**30
_RATIO = 400  # JSON of ours comes to 20 or so
_SMALL = 2**20  # below this a ratio harms nobody
_CHUNK = 2**20


def is_silent(source: Path) -> bool:
    """Whether a folder was for a run that left no results: it never began, or was killed."""
    return source.is_dir() and not (source / RUN).exists()


@contextmanager
def opened(sources: Sequence[Path]) -> Iterator[list[Run]]:
    """Stored runs from folders and zip files; what was unpacked is gone afterwards.

    Args:
        sources: report folders, or zip files of one each.

    Raises:
        StoredRunProblem: one is damaged, or no archive that we would open.
    """
    with ExitStack() as stack:
        runs = []
        for source in sources:
            folder = source
            if not source.is_dir():
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="modelcompat-merge-")))
                unzip(source, folder)
            runs.append(load(folder))
        yield runs


def unzip(source: Path, folder: Path) -> None:
    """Take a run out of a zip file.

    Args:
        source: the archive; the run may lie in one folder of it.
        folder: an empty one.

    Raises:
        StoredRunProblem: no archive, a damaged one, or one that we refuse, with what is wrong.
    """
    if not source.exists():
        raise errors.no_stored_run(source, unfinished=False)
    try:
        with zipfile.ZipFile(source) as archive:
            _unzip(archive, source, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise errors.bad_archive(source, f"it cannot be read ({error})") from error
    except UnicodeError as error:
        raise errors.bad_archive(source, "it holds a name that is no text") from error


def _unzip(archive: zipfile.ZipFile, source: Path, folder: Path) -> None:
    members = [each for each in archive.infolist() if not each.is_dir()]
    if len(members) > _MEMBERS:
        raise errors.bad_archive(source, f"it holds more than {_MEMBERS:,} files")
    for each in members:
        _check_name(source, each)
    roots = {each.filename.rpartition(RUN)[0] for each in members if _is_run(each.filename)}
    if len(roots) != 1:
        detail = "it holds no run.json" if not roots else "it holds several runs"
        raise errors.bad_archive(source, detail)
    (root,) = roots
    seen = set()
    left = _TOTAL
    for each in members:
        name = each.filename.removeprefix(root)
        if not each.filename.startswith(root) or not _TAKEN.match(name):
            continue
        if name in seen:
            raise errors.bad_archive(source, f"it holds {name!r} twice")
        seen.add(name)
        _check_size(source, each)
        left -= _take(archive, source, each, folder / name, left)


def _is_run(name: str) -> bool:
    return name == RUN or (name.endswith(f"/{RUN}") and name.count("/") == 1)


def _check_name(source: Path, member: zipfile.ZipInfo) -> None:
    name = member.orig_filename
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in parts[0]:
        raise errors.bad_archive(source, f"the name {name[:80]!r} leads out of it")
    mode = member.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        raise errors.bad_archive(source, f"{name[:80]!r} is a link or device")
    if member.flag_bits & 1:
        raise errors.bad_archive(source, f"{name[:80]!r} is encrypted")


def _check_size(source: Path, member: zipfile.ZipInfo) -> None:
    if member.file_size > _MEMBER:
        raise errors.bad_archive(source, f"{member.filename[:80]!r} is too large")
    if member.file_size > max(_SMALL, _RATIO * member.compress_size):
        raise errors.bad_archive(source, f"{member.filename[:80]!r} unpacks to far too much")


def _take(
    archive: zipfile.ZipFile, source: Path, member: zipfile.ZipInfo, target: Path, most: int
) -> int:
    """Write one member; returns its size, which is that of what came and not of what was said."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with archive.open(member) as packed, target.open("xb") as file:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
            if size > most or size > member.file_size:
                raise errors.bad_archive(source, "it unpacks to far too much")
            file.write(chunk)
    return size
