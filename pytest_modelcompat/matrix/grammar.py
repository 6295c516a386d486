"""The grammar of every string that a user writes, checked where it enters.

Each function takes the text and returns None where it is fine, else the sentence that says what is
wrong. Strings that pass never look like an option, a path out of a folder or a line of shell to
the programs that they reach later.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from pytest_modelcompat.errors import grammar as grammar_words
from pytest_modelcompat.errors import matrix_checks as check_words
from pytest_modelcompat.errors import places as place_words

if TYPE_CHECKING:
    from pytest_modelcompat.errors.yaml_file import Sentence

__all__ = [
    "corpus",
    "date",
    "distribution",
    "env_name",
    "exporter",
    "folder_there",
    "image_reference",
    "install_there",
    "interpreter",
    "is_python_path",
    "issue_link",
    "module",
    "name",
    "option_name",
    "pin",
    "port",
    "printable",
    "provider",
    "python",
    "python_there",
    "remote",
    "requirement",
    "session",
    "split_pin",
    "tox_environment",
    "version",
    "version_or_installed",
    "word",
]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\x80-\x9f\u2028\u2029]")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_PYTHON = re.compile(r"3\.[0-9]{1,3}(\.[0-9]{1,3}((a|b|rc)[0-9]{1,3})?)?t?")
_NAME = re.compile(r"[^\W]([\w.+=@-]*)")  # \w: names are not English everywhere
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_PROVIDER = re.compile(r"[A-Za-z_][A-Za-z0-9_.:,()-]*")
_REMOTE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(@[A-Za-z0-9][A-Za-z0-9.-]*)?")
_PROGRAM = re.compile(r"[A-Za-z0-9_./+-]+")
_HOST_PART = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
_PATH_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    rf"{_HOST_PART}{_PATH_PART}(?:/{_PATH_PART})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_LONGEST = 500


def printable(what: str, text: str) -> Sentence | None:
    """Text without control characters; tabs are fine."""
    odd = _CONTROL.search(text)
    return grammar_words.bad_text(what, ord(odd.group())) if odd else None


def _named(what: str, text: str, pattern: re.Pattern[str], allowed: str) -> Sentence | None:
    if text.startswith("-"):
        return grammar_words.option_like(what, text)
    if len(text) > _LONGEST:
        return grammar_words.too_long(what, text, _LONGEST)
    if ".." in text or not pattern.fullmatch(text):
        return grammar_words.bad_word(what, text, allowed)
    return None


def name(what: str, text: str) -> Sentence | None:
    """A name that becomes part of node ids and files: of a matrix, a model, a known issue."""
    return _named(
        what, text, _NAME, "letters, digits and . _ + = @ - only, without two dots in a row"
    )


def word(what: str, text: str) -> Sentence | None:
    """An ASCII word: an id, a runtime, an exporter."""
    return _named(what, text, _WORD, "letters, digits and . _ + - only")


def exporter(text: str) -> Sentence | None:
    """The name of an exporter."""
    return word("An exporter", text)


def provider(text: str) -> Sentence | None:
    """A runtime's name for a hardware back end: `CUDAExecutionProvider`, `HETERO:GPU,CPU`."""
    return _named("A provider", text, _PROVIDER, "letters, digits and . _ : , ( ) - only")


def env_name(text: str) -> Sentence | None:
    """The name of an environment variable."""
    return _named(
        "An environment variable",
        text,
        _ENV_NAME,
        "letters, digits and _ only, without a leading digit",
    )


def option_name(text: str) -> Sentence | None:
    """The name of a runtime's option."""
    return _named("An option", text, _OPTION_NAME, "letters, digits and . _ - only")


def module(text: str) -> Sentence | None:
    """A dotted module name."""
    return _named("A module", text, _MODULE, "names joined by dots, as in package.module")


def remote(text: str) -> Sentence | None:
    """A machine reached over ssh: `host` or `user@host`."""
    return _named("A machine", text, _REMOTE, "a host, or user@host")


def interpreter(text: str) -> Sentence | None:
    """The path of an interpreter, as an image."""
    return grammar_words.option_like("An image", text) if text.startswith("-") else None


def python_there(text: str) -> Sentence | None:
    """The interpreter of another machine: a name on its PATH, or a path."""
    odd = text.startswith("-") or ".." in text or len(text) > _LONGEST
    return place_words.bad_python_there(text) if odd or not _PROGRAM.fullmatch(text) else None


def folder_there(text: str) -> Sentence | None:
    """A folder of another machine; a relative one starts in the home folder there."""
    odd = text.startswith(("-", "~")) or ".." in text.split("/") or len(text) > _LONGEST
    return place_words.bad_folder(text) if odd or printable("A folder", text) else None


def install_there(text: str) -> Sentence | None:
    """Who installs on another machine."""
    return None if text in {"copy", "none"} else place_words.bad_install_there(text)


def port(text: str) -> Sentence | None:
    """A TCP port."""
    fine = re.fullmatch(r"[1-9][0-9]{0,4}", text) and int(text) < 2**16
    return None if fine else place_words.bad_port(text)


def session(text: str) -> Sentence | None:
    """A nox session or tox environment of the user's own."""
    if text.startswith("-"):
        return grammar_words.option_like("An environment", text)
    if not text or re.search(r"[^\w .,()='\"+-]", text):
        return grammar_words.bad_word(
            "An environment", text, "letters, digits and . , ( ) = + _ - only"
        )
    return None


def tox_environment(text: str) -> Sentence | None:
    """One tox environment; a comma would make it a list of them."""
    if text.startswith("-"):
        return grammar_words.option_like("An environment", text)
    if len(text) > _LONGEST or text == "ALL" or not re.fullmatch(r"[A-Za-z0-9_.+-]+", text):
        return place_words.bad_tox_name(text)
    return None


def distribution(text: str) -> Sentence | None:
    """A PEP 508 name."""
    if text.startswith("-"):
        return grammar_words.option_as_requirement(text)
    if len(text) > _LONGEST or not _DISTRIBUTION.fullmatch(text):
        return grammar_words.bad_distribution(text)
    return None


def version(text: str) -> Sentence | None:
    """One PEP 440 version, without wildcard or operator."""
    if len(text) > _LONGEST or not text.isascii() or text != text.strip():
        return grammar_words.bad_version(text)
    try:
        Version(text)
    except InvalidVersion:
        return grammar_words.bad_version(text)
    return None


def version_or_installed(text: str) -> Sentence | None:
    """A version, or the word `installed`."""
    return None if text == "installed" else version(text)


def split_pin(text: str) -> tuple[str, str]:
    """`name==version` as canonical name and version; the text must have passed `pin`."""
    found, _, pinned = text.partition("==")
    return canonicalize_name(found.strip()), pinned.strip()


def pin(text: str) -> Sentence | None:
    """`name==version`."""
    found, equals, pinned = text.partition("==")
    if not equals:
        return grammar_words.bad_pin(text)
    return distribution(found.strip()) or version_or_installed(pinned.strip())


def corpus(text: str) -> Sentence | None:
    """`onnx==version`."""
    if pin(text) or split_pin(text)[0] != "onnx" or split_pin(text)[1] == "installed":
        return check_words.bad_corpus(text)
    return None


def requirement(text: str) -> Sentence | None:
    """A PEP 508 requirement made of a name, extras, specifiers and a marker."""
    if len(text) > _LONGEST:  # packaging turns digits into integers, which have a limit
        return grammar_words.bad_requirement(text, "it is too long")
    odd = printable("A requirement", text)
    if odd:
        return odd
    if text.lstrip().startswith("-"):
        return grammar_words.option_as_requirement(text)
    kind = _location(text.partition(";")[0].strip())
    if kind:
        return grammar_words.located_requirement(text, kind)
    try:
        Requirement(text)
    except InvalidRequirement as error:
        return grammar_words.bad_requirement(text, str(error).splitlines()[0])
    return None


def _location(text: str) -> str | None:
    """What a requirement is instead of a name with specifiers."""
    if re.match(r"([^@]*@\s*)?[a-z]+\+[a-z]+:", text):
        return "a VCS reference"
    if "://" in text or "@" in text:
        return "a URL"
    return "a path" if re.search(r"[/\\]|^\.|\.(whl|zip|tar\.gz)$", text) else None


def is_python_path(text: str) -> bool:
    """Whether a value of the python axis is the path of an interpreter."""
    return "/" in text


def python(text: str) -> Sentence | None:
    """`3.12`, `3.12.1`, `3.13t`, the path of an interpreter, or `image`."""
    if text.startswith("-"):
        return grammar_words.option_like("A Python", text)
    if text == "image" or _PYTHON.fullmatch(text):
        return None
    if is_python_path(text):
        return printable("A path", text)
    return grammar_words.bad_python(text)


def image_reference(text: str) -> Sentence | None:
    """An OCI reference; `{python}` may stand in it."""
    if text.startswith("-"):
        return grammar_words.option_like("An image", text)
    filled = text.replace("{python}", "3.0")
    if "{" in filled or "}" in filled:
        return grammar_words.bad_template(text)
    if len(filled) > _LONGEST or not _IMAGE.fullmatch(filled):
        return grammar_words.bad_image(text)
    return None


def date(what: str, text: str) -> Sentence | None:
    """A day as YYYY-MM-DD."""
    if not _DATE.fullmatch(text):
        return grammar_words.bad_date(what, text)
    try:
        dt.date.fromisoformat(text)
    except ValueError:  # there is no such day
        return grammar_words.bad_date(what, text)
    return None


def issue_link(text: str) -> Sentence | None:
    """An http(s) address, or a reference without a scheme."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*):", text)
    if re.search(r"[\s<>\"'`\x00-\x1f]", text) or (
        scheme and not re.match(r"https?://[^/]", text, re.IGNORECASE)
    ):
        return grammar_words.bad_link(text)
    return None
