"""What commands may see of the user's environment variables, and what nobody may read again.

Commands get variables by an allow-list. uv needs index credentials; logs, locks, reasons and
reports do not, so every text that leaves this package has gone through `redact`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["command_environment", "impersonal", "redact", "secrets_of"]

_PLAIN = frozenset({
    "ALL_PROXY", "HOME", "HTTPS_PROXY", "HTTP_PROXY", "LANG", "LOGNAME", "NETRC", "NO_PROXY",
    "PATH", "SSL_CERT_DIR", "SSL_CERT_FILE", "SSL_CLIENT_CERT", "TEMP", "TMP", "TMPDIR", "USER",
    "XDG_CACHE_HOME", "XDG_CONFIG_DIRS", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR",
    "all_proxy", "http_proxy", "https_proxy", "no_proxy",
})  # fmt: skip
# Of uv's settings those that say where packages come from and how they are fetched and kept.
_UV = frozenset({
    "UV_CACHE_DIR", "UV_CONCURRENT_BUILDS", "UV_CONCURRENT_DOWNLOADS", "UV_CONCURRENT_INSTALLS",
    "UV_CONFIG_FILE", "UV_CREDENTIALS_DIR", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS", "UV_HTTP_CONNECT_TIMEOUT", "UV_HTTP_RETRIES", "UV_HTTP_TIMEOUT", "UV_INDEX",
    "UV_INDEX_STRATEGY", "UV_INDEX_URL", "UV_INSECURE_HOST", "UV_INSECURE_NO_ZIP_VALIDATION",
    "UV_KEYRING_PROVIDER", "UV_LINK_MODE", "UV_NATIVE_TLS", "UV_NO_CACHE", "UV_NO_CONFIG",
    "UV_NO_INDEX", "UV_OFFLINE", "UV_REQUEST_TIMEOUT", "UV_SYSTEM_CERTS",
})  # fmt: skip
_PLACES = frozenset({
    "NETRC", "SSL_CERT_DIR", "SSL_CERT_FILE", "UV_CACHE_DIR", "UV_CONFIG_FILE", "UV_FIND_LINKS",
})  # fmt: skip
_CREDENTIAL = re.compile(r"^UV_INDEX_[A-Z0-9_]+_(USERNAME|PASSWORD)$")
_SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|TOKEN|SECRET|CREDENTIAL|API_?KEY|AUTH(?!OR)", re.IGNORECASE
)
_USERINFO = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?P<user>[^\s/@'\"`]*)@", re.IGNORECASE)
_QUERY = re.compile(
    r"(?P<key>[?&](?:[a-z_-]*(?:token|password|secret|key|sig|signature|auth))=)[^&\s'\"`#]+",
    re.IGNORECASE,
)
# An address of an index or of what it serves: by its settings, or by its look.
_INDEXES = frozenset({
    "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS",
    "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS",
})  # fmt: skip
_ADDRESS = re.compile(
    r"(?P<origin>https?://[^\s/'\"`<>()]+)(?P<path>[^\s'\"`<>()]*)", re.IGNORECASE
)
_SERVED = re.compile(r"/simple(/|\b)|\.(whl|tar\.gz|zip)(\.metadata)?(#|$)", re.IGNORECASE)
_TOOL = re.compile(
    r"(?<![\w.$~/-])(?:~|\$\w+)?(?:/[^\s/:'\"`]+)*/bin/(?P<name>uvx?|(?:python|pip)[\d.]*)(?![\w/-])"
)
INDEX = "$INDEX"
_SHORTEST = 6  # a shorter "secret" would blacken half of every text
MASK = "****"


def command_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of resolver and installer: an allow-list of the user's.

    pip's find-links setting is handed on to uv, which does not know it, where uv has none itself.
    """
    given = dict(os.environ if environ is None else environ)
    kept = {
        name: value
        for name, value in given.items()
        if name in _PLAIN or name in _UV or name.startswith("LC_") or _CREDENTIAL.match(name)
    }
    if given.get("PIP_FIND_LINKS") and "UV_FIND_LINKS" not in kept:
        # pip separates by blanks, uv by commas
        kept["UV_FIND_LINKS"] = ",".join(given["PIP_FIND_LINKS"].split())
    for name in _PLACES.intersection(kept):
        # relative to where the user is; uv runs elsewhere
        places = kept[name].split(",") if name == "UV_FIND_LINKS" else [kept[name]]
        kept[name] = ",".join(
            place if "://" in place or not place else str(Path(place).absolute())
            for place in places
        )
    return kept


def secrets_of(environ: Mapping[str, str] | None = None) -> frozenset[str]:
    """Every secret that the environment holds: passwords, tokens, credentials within addresses."""
    found: set[str] = set()
    for name, value in (os.environ if environ is None else environ).items():
        if _SECRET_NAME.search(name) and not value.startswith("/"):  # a socket's path is none
            found.add(value)
        for match in _USERINFO.finditer(value):
            user, _, password = match["user"].partition(":")
            found.add(password or user)
    return frozenset(
        form
        for secret in found
        for form in (secret, unquote(secret), quote(secret, safe=""))
        if len(form) >= _SHORTEST
    )


def redact(text: str, environ: Mapping[str, str] | None = None) -> str:
    """A text without secrets: those of the environment, and credentials in any address.

    Args:
        text: log, explanation, lock, command line.
        environ: where the secrets stand; the process' own by default.
    """
    for secret in sorted(secrets_of(environ), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = _USERINFO.sub(lambda match: f"{match['scheme']}{MASK}@", text)
    return _QUERY.sub(lambda match: match["key"] + MASK, text)


def impersonal(log: str, environ: Mapping[str, str] | None = None) -> str:
    """A log without what is true on one machine only: its index' address, its tools' folders.

    Sentences keep both: who has to mend something must know where. Logs are kept and published.

    Args:
        log: of uv, pip, or nox around them.
        environ: where indexes are named; the process' own by default.
    """
    given = os.environ if environ is None else environ
    named = {
        _origin(match["origin"])
        for name in _INDEXES.intersection(given)
        for match in _ADDRESS.finditer(given[name])
    }

    def told(match: re.Match[str]) -> str:
        ours = _origin(match["origin"]) in named or _SERVED.search(match["path"])
        return f"{INDEX}{match['path']}" if ours else match[0]

    return _TOOL.sub(lambda match: match["name"], _ADDRESS.sub(told, log))


def _origin(text: str) -> str:
    """Scheme and host of an address, without who asks."""
    scheme, _, host = text.partition("://")
    return f"{scheme}://{host.rpartition('@')[2]}".lower()
