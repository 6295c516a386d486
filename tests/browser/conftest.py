"""A real Chromium, and the pages that the tests look at.

Chromium is found on PATH (`chromium`, `chromium-browser`, `google-chrome`), or named by
MODELCOMPAT_CHROMIUM.
What comes from npm is looked for in MODELCOMPAT_NODE_MODULES, then in tests/browser/node_modules
(`npm ci --prefix tests/browser`).
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_modelcompat.report import render
from tests.browser.synthetic import Draw, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    "--no-sandbox", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-gpu", "--no-first-run",
]  # fmt: skip
KINDS = {
    "usual": Draw(cases=700),
    "hostile": Draw(cases=120, hostile=True),
    "plain": Draw(
        cases=60, releases=("1.24.4", "1.28.0"), pythons=("3.11", "3.12"), openvino_ep=(),
        openvino=(), odd_cells=False,
    ),
}  # fmt: skip


def chromium() -> str:
    names = [os.environ.get("MODELCOMPAT_CHROMIUM", ""), "chromium", "chromium-browser",
             "google-chrome"]  # fmt: skip
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None:
        pytest.fail("--browser needs a Chromium on PATH (or in MODELCOMPAT_CHROMIUM)")
    return found


def node_module(name: str) -> Path:
    here = Path(__file__).parent
    folders = [os.environ.get("MODELCOMPAT_NODE_MODULES"), here / "node_modules"]
    for folder in filter(None, folders):
        if (Path(folder) / name).exists():
            return Path(folder) / name
    return pytest.fail(f"--browser needs {name}: run `npm ci --prefix tests/browser`")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The address of a rendered report of one of KINDS."""
    made: dict[str, str] = {}

    def page(kind: str) -> str:
        if kind not in made:
            folder = write(tmp_path_factory.mktemp(kind), KINDS[kind])
            made[kind] = render(folder).as_uri()
        return made[kind]

    return page


class Opened:
    """A page that complains: about script errors, refused content and any request."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("request", lambda request: self.requests.append(request.url))

    def _console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def go(self, address: str) -> Page:
        # A change of the hash alone would not load the page again.
        self.page.goto("about:blank")
        self.page.goto(address)
        self.page.wait_for_function("() => document.documentElement.dataset.ready === 'true'")
        return self.page


@pytest.fixture
def opened(browser: Browser) -> Callable[..., Any]:
    """A context manager that opens pages, and checks on leaving that none complained."""

    @contextmanager
    def start(**options: Any) -> Iterator[Opened]:
        options.setdefault("viewport", {"width": 1280, "height": 860})
        context = browser.new_context(**options)
        page = Opened(context.new_page())
        try:
            yield page
            assert page.complaints == []
        finally:
            context.close()

    return start
