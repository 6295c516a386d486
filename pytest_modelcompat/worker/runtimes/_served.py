"""What the adapters of servers elsewhere share: the options that say which, and who answers.

The server is not started here, and the file of the model is not sent: the case's data is, and the
answers are held against its reference like any others.
"""

from __future__ import annotations

import os
import re

from ._plain import only, version_of
from ._served_http import Door, parts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["ServedAdapter"]

_SECONDS = 10  # for each step until the server has said who it is
_NAME = re.compile(r"[\w][\w.-]*\Z", re.ASCII)


class ServedAdapter:
    """An adapter whose runtime is behind an address; see the seam's text in `__init__.py`.

    Of its own it has `runtime`, `own_options` (pairs of a name and its values, None for any),
    `met(door, options)`, which tells what the server says of itself or raises in its words, and
    `load`.
    """

    runtime = ""
    own_options: Any = ()

    def __init__(self, distribution, module=None):
        self.distribution = distribution
        self._known = None  # what the server said of itself, or why it did not

    def met(self, door, options):
        """What the server says of itself, and of the model that the options name.

        Raises:
            Exception: it is not there, not ready, or does not say who it is.
        """
        raise NotImplementedError

    def info(self):
        """What is known before any server is: the release that the cell has."""
        return {
            "runtime": self.runtime,
            "version": version_of(self.distribution, ""),
            "providers": ["served"],
            "devices": [],
            "limits": {},
        }

    def check(self, options):
        """ValueError for an option that is none."""
        allowed = dict.fromkeys(("url", "model", "model_version", "server"))
        told = only(self.runtime, options, {**allowed, **dict(self.own_options)})
        if "url" not in told:
            raise ValueError("{} needs the option url: where the server is".format(self.runtime))
        parts_of(told["url"])
        for name in ("model", "model_version"):
            if name in told and not _NAME.match(told[name]):
                raise ValueError("{} is a name, not {!r}".format(name, told[name]))

    def about(self, options):
        """Who answers, and of the one model that the options name what the server says of it."""
        try:
            self.check(options)
        except ValueError:
            return {}  # `check` is asked for the same next, and refuses the cell
        found = self._server(options)
        return {"server": found} if isinstance(found, dict) else {}

    def unavailable(self, provider, options):
        """Why the server cannot be asked, or is not the one that was asked for."""
        if provider != "served":
            return "{} has no provider {}".format(self.runtime, provider)
        found = self._server(options)
        return self.another(found, options) if isinstance(found, dict) else found

    def another(self, found, options):
        """The words where another server answers than the one that was asked for, else None."""
        name, _, version = (options.get("server") or self._expected()).partition("==")
        if _canonical(found["name"]) == _canonical(name) and version in ("", found["version"]):
            return None
        return "{} is {}, not {}".format(
            found["url"],
            "{name} {version}".format(**found).strip(),
            "{} {}".format(name, version).strip(),
        )

    def _expected(self):
        return "{}=={}".format(self.distribution, version_of(self.distribution, ""))

    def _server(self, options):
        """What the server says of itself, or the words of why it does not; asked once."""
        if self._known is None:
            url = options["url"]
            try:
                self._known = {"url": url, **self.met(Door(url, _SECONDS), options)}
            except Exception as error:
                self._known = "{}: {}: {}".format(url, type(error).__name__, error)
        return self._known

    def name_of(self, model, options):
        """The served name of a model: the option's, else its file's up to the first point."""
        if "model" in options:
            return options["model"]
        words = self.runtime + " needs the option model: "
        if not isinstance(model, str):
            raise TypeError(words + "which of the server's models is meant")
        name = os.path.basename(model).partition(".")[0]
        if not _NAME.match(name):
            raise ValueError(words + "{!r} is no name of one".format(name))
        return name


def _canonical(name):
    return re.sub("[-_.]+", "-", name).lower()
