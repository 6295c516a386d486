"""Which versions of a distribution there are, asked of the indexes that uv would ask.

uv itself says which these are (from its configuration, its environment, its default); each is read
by the simple repository API. Only versions with a wheel for Linux count, yanked ones do not, and
with a last day only what had been uploaded by its end. An answer is kept for an hour, so that
collecting again asks nobody; there is no older answer to fall back on, because a plan made of it
could be a smaller one.
"""

from __future__ import annotations

import hashlib
import json
import netrc
import os
import re
import time
from base64 import b64encode
from datetime import date, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from pytest_modelcompat.environments import uv
from pytest_modelcompat.environments.cache import atomic_write
from pytest_modelcompat.environments.redact import redact
from pytest_modelcompat.errors import ModelcompatError
from pytest_modelcompat.errors import places as words
from pytest_modelcompat.runner.command import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from urllib.request import Request

__all__ = ["IndexUnusableError", "releases"]

SCHEMA = 1
LIFETIME = 3600.0  # seconds
TIMEOUT = 30.0  # seconds for one answer of an index
LARGEST = 1 << 26  # bytes of one
_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_ABSENT = frozenset({404, 410})
_FINAL = ("HTTP 401", "HTTP 403", "HTTP 407")  # asking again ends no differently


class IndexUnusableError(ModelcompatError):
    """An index could not be asked; what it has is unknown, so there is no plan."""


def releases(
    distribution: str,
    exclude_newer: str | None,
    *,
    cache: Path,
    environ: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """The versions of a distribution, in no order; none where no index has it.

    Args:
        distribution: its name.
        exclude_newer: ISO date, the last day whose uploads count; or None.
        cache: the cache folder.
        environ: the user's environment; the process' own by default.

    Raises:
        IndexUnusableError: an index cannot be asked.
    """
    env = uv.tool_environment(environ)
    name = canonicalize_name(distribution)
    key = hashlib.sha256(json.dumps([SCHEMA, name, uv.settings(env)]).encode()).hexdigest()[:32]
    kept = cache / "releases" / f"{key}.json"
    files = _kept(kept)
    if files is None:
        files = _asked(name, env, cache=cache)
        now = {"schema": SCHEMA, "made": time.time(), "files": files}
        atomic_write(kept, json.dumps(now), durable=False)
    end = None
    if exclude_newer:
        day = date.fromisoformat(exclude_newer) + timedelta(days=1)
        end = datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
        if files and not any(uploaded for _, uploaded in files):
            raise IndexUnusableError(words.no_days(name, exclude_newer))
    found: dict[str, None] = {}
    for file, uploaded in files:
        version = _version(name, file)
        if version and (end is None or (uploaded and _moment(uploaded) < end)):
            found[version] = None
    return tuple(found)


def _kept(path: Path) -> list[list[str]] | None:
    try:
        entry = json.loads(path.read_bytes())
        young = 0 <= time.time() - entry["made"] < LIFETIME
        return entry["files"] if young and entry["schema"] == SCHEMA else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(re.sub(r"\.\d+", "", text).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _version(name: str, file: str) -> str | None:
    """The version of a wheel that some Linux can take."""
    try:
        found, version, _, tags = parse_wheel_filename(file)
    except InvalidWheelFilename:
        return None
    fits = any(tag.platform == "any" or "linux" in tag.platform for tag in tags)
    return str(version) if found == name and fits else None


def _asked(name: str, env: Mapping[str, str], *, cache: Path) -> list[list[str]]:
    """File names and upload times, from the first index that has the distribution."""
    indexes, folders = _places(env, cache=cache)
    files = [
        [path.name, datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).isoformat()]
        for folder in folders
        if folder.is_dir()
        for path in folder.glob("*.whl")
    ]
    for index in indexes if not env.get("UV_NO_INDEX") else ():
        found = _page(f"{index.rstrip('/')}/{name}/", env)
        if found:
            return [*files, *found]  # as uv does: others could have strangers of the same name
    return files


def _places(env: Mapping[str, str], *, cache: Path) -> tuple[list[str], list[Path]]:
    """The indexes, the default one last, and the folders of wheels."""
    command: list[str | Path] = [uv.program(), "pip", "compile", "--no-header", "--offline"]
    done = run(
        [*command, "--emit-index-url", "--emit-find-links", "-"],
        env=env,
        cwd=uv.tool_folder(cache),
        timeout=TIMEOUT,
        input=b"",
    )
    if not done.ok:
        raise IndexUnusableError(words.indexes_unknown(redact(done.err)))
    indexes, last, folders = [], [], []
    for line in done.out.splitlines():
        option, _, value = line.strip().partition(" ")
        if option == "--index-url":
            last.append(value)
        elif option == "--extra-index-url":
            indexes.append(value)
        elif option == "--find-links":
            folders.append(Path(unquote(urlsplit(value).path) if ":" in value else value))
    return [*indexes, *last], folders


def _page(url: str, env: Mapping[str, str]) -> list[list[str]]:
    """The files on an index' page of a distribution; none where it has no such page."""
    from urllib.request import Request  # noqa: PLC0415 - with http and TLS; only a range asks

    parts = urlsplit(url)
    if parts.scheme == "file":
        path = Path(unquote(parts.path), "index.html")
        return list(_listed(path.read_bytes(), "text/html", url)) if path.is_file() else []
    request = Request(_without_user(url), headers={"Accept": _ACCEPT})  # noqa: S310 - http(s) only
    if parts.scheme not in {"http", "https"}:
        raise IndexUnusableError(words.index_unusable(redact(url), "its scheme is unknown"))
    if user := _user(parts.username, parts.password, parts.hostname or "", env):
        request.add_header("Authorization", f"Basic {b64encode(user.encode()).decode()}")
    for attempt in range(uv.ATTEMPTS):
        if attempt:
            time.sleep(uv.PAUSES[attempt - 1])
        found, why = _got(request)
        if found is not None:
            return found
        if why.startswith(_FINAL):
            break
    raise IndexUnusableError(words.index_unusable(redact(_without_user(url)), redact(why)))


def _got(request: Request) -> tuple[list[list[str]] | None, str]:
    """The files of a page, or why they could not be had."""
    from urllib.error import HTTPError  # noqa: PLC0415 - see `_page`
    from urllib.request import urlopen  # noqa: PLC0415

    try:
        with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - see above
            data = answer.read(LARGEST)
            length = answer.headers.get("Content-Length")
            if length and int(length) != len(data):
                return None, "the answer ended early"
            return list(_listed(data, answer.headers.get_content_type(), answer.url)), ""
    except HTTPError as error:
        return ([] if error.code in _ABSENT else None), f"HTTP {error.code} {error.reason}"
    except (OSError, ValueError, KeyError) as error:
        return None, str(getattr(error, "reason", "") or error)


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _user(name: str | None, password: str | None, host: str, env: Mapping[str, str]) -> str:
    """`user:password` for an index: of its address, or of the user's netrc file."""
    if name:
        return f"{unquote(name)}:{unquote(password or '')}"
    try:
        path = env.get("NETRC") or os.path.join(env.get("HOME", "~"), ".netrc")  # noqa: PTH118
        found = netrc.netrc(path).authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return ""
    return f"{found[0]}:{found[2]}" if found else ""


def _listed(data: bytes, kind: str, url: str) -> Iterator[list[str]]:
    """Name and upload time of each file that was not yanked."""
    if kind == _JSON or kind.endswith("+json"):
        page: dict[str, Any] = json.loads(data)
        for file in page["files"]:
            if not file.get("yanked"):
                yield [str(file["filename"]), str(file.get("upload-time") or "")]
        return
    reader = _Links()
    reader.feed(data.decode("utf-8", "replace"))
    for link in reader.found:
        yield [unquote(urlsplit(urljoin(url, link)).path.rpartition("/")[2]), ""]


class _Links(HTMLParser):
    """The links of a page that are not marked as yanked."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an anchor."""
        known = dict(attrs)
        if tag == "a" and known.get("href") and "data-yanked" not in known:
            self.found.append(str(known["href"]))
