"""The committed samples: stored runs in reports/, those that its README links."""

from __future__ import annotations

import base64
import gzip
import re
from pathlib import Path

REPORTS = Path(__file__).resolve().parents[1] / "reports"
SAMPLES = tuple(
    REPORTS / name
    for name in re.findall(
        r"\]\(([\w-]+)/index\.html\)", (REPORTS / "README.md").read_text("utf-8")
    )
)
_PACKED = re.compile(r'(<script type="text/plain"[^>]*>)(.*?)(</script>)', re.DOTALL)


def unpacked(page: str) -> str:
    """A page with its packed parts unpacked: how they are packed depends on the machine's zlib.

    The digests of scripts in the content security policy are those of what is executed, and the
    packed parts are not.
    """

    def plain(match: re.Match[str]) -> str:
        data = gzip.decompress(base64.b64decode(match[2]))
        return f"{match[1]}{data.hex()}{match[3]}"

    return _PACKED.sub(plain, page)
