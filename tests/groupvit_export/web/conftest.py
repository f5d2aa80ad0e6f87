"""The page in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_export.web.page import PAGE, SAMPLE_NAME, is_built
from groupvit_export.web.server import serving

OpenPage = Callable[[Path], AbstractContextManager[Any]]

_READY_MS = 120_000


@pytest.fixture(scope="session")
def web_folder(demo_bundles: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's ONNX engines with the sample image, to be served with the page."""
    if not is_built():
        pytest.skip("the page is not built: make page")
    folder = tmp_path_factory.mktemp("web") / "demo"
    shutil.copytree(demo_bundles["onnx"], folder)
    shutil.copy(DEMO_SAMPLE, folder / SAMPLE_NAME)
    return folder


def _chromium(*arguments: str) -> Iterator[Any]:
    """Debian's."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_api.sync_playwright() as play:
        # As root, and in containers, its sandbox cannot be set up.
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox", *arguments])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from _chromium()


@pytest.fixture(scope="module")
def webgpu_browser() -> Iterator[Any]:
    """With WebGPU on the processor, by SwiftShader."""
    yield from _chromium("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")


@pytest.fixture
def open_page(browser: Any) -> OpenPage:
    """Opens the page on a bundle's folder, and refuses errors of the console and requests elsewhere."""
    return partial(_opened, browser)


@pytest.fixture
def open_webgpu_page(webgpu_browser: Any) -> OpenPage:
    """Likewise, with the engine on WebGPU."""
    return partial(_opened, webgpu_browser, query="?backend=webgpu")


@contextmanager
def _opened(browser: Any, folder: Path, *, query: str = "") -> Iterator[Any]:
    with serving((folder, PAGE)) as address:
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        faults: list[str] = []
        page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on(
            "request",
            lambda request: faults.extend(
                [] if request.url.startswith((address, "blob:", "data:")) else [request.url]
            ),
        )
        page.goto(address + query)
        page.wait_for_function(
            "document.body.dataset.ready || !document.getElementById('error').hidden", timeout=_READY_MS
        )
        yield page
        context.close()
        assert not faults
