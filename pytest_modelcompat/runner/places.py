"""Folders of this machine, told by names that mean the same on every machine.

What a run stores is read elsewhere and compared with other runs: a message that names the private
folder of its cell must not differ for that, and a report does not tell its author's paths.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["Places"]


class Places:
    """Replaces folders by names, longest first.

    Args:
        places: name -> folder; `cell=folder` makes it `$CELL`. The home folder is `~`.
    """

    def __init__(self, **places: Path) -> None:
        known = {str(folder): f"${name.upper()}" for name, folder in places.items()}
        home = str(Path.home())
        if len(home) > 1:
            known.setdefault(home, "~")
        self._known = sorted(known.items(), key=lambda item: -len(item[0]))

    def told(self, value: Any) -> Any:
        """The same text, or record of texts, with names in place of folders."""
        if isinstance(value, str):
            for folder, name in self._known:
                value = value.replace(folder, name)
            return value
        if isinstance(value, dict):
            return {key: self.told(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self.told(each) for each in value]
        return value
