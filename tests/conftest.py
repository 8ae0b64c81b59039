"""For every test: where the recorded numbers and the shared data lie; GPU tests need a GPU, those
marked `browser` a real Chromium: Debian's, driven by playwright.

Copied away from the source (`make wheel-test`), the tests run against the package as installed.
Those of files with a ROOT, the project's folder, need the source itself and are skipped there.
"""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = not (ROOT / 'netspec').is_dir()
PATIENCE = 180_000       # milliseconds; a busy machine answers late
CHROMIUM = ('chromium', 'chromium-browser', 'google-chrome')


def pytest_configure() -> None:
    """Let Ctrl-C stop the tests and what they start, also where a shell began them in the
    background and so with SIGINT ignored, which all that they start would inherit.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `gpu` where there is none, and what needs the source where it is away."""
    if INSTALLED and hasattr(getattr(item, 'module', None), 'ROOT'):
        pytest.skip('needs the source tree, and only the installed package is here')
    if item.get_closest_marker('gpu'):
        import torch
        if not torch.cuda.is_available():
            pytest.skip('no CUDA device is here')


@pytest.fixture(scope='session')
def tree() -> Path:
    """The project's own folder; skips where only the installed package is here."""
    if INSTALLED:
        pytest.skip('needs the source tree, and only the installed package is here')
    return ROOT


@pytest.fixture(scope='session')
def golden() -> Path:
    """The folder of numbers recorded from a reference Caffe that travels with the project."""
    return ROOT / 'tests' / 'golden'


@pytest.fixture(scope='session')
def shared() -> Path:
    """The workplace's shared folder; FCN_SHARED names another place. Skips where there is none."""
    folder = Path(os.environ.get('FCN_SHARED', ROOT.parent / 'shared'))
    if not folder.is_dir():
        pytest.skip(f'{folder} does not exist: CamVid is kept outside the project')
    return folder


class Visit:
    """A page at a width of the window, with what the browser complained of and asked for."""

    def __init__(self, browser: Any, address: str, width: int, dark: bool = False) -> None:
        self.context = browser.new_context(viewport={'width': width, 'height': 900},
                                           color_scheme='dark' if dark else 'light')
        self.page, self.complaints, self.asked = self.context.new_page(), [], []
        self.page.set_default_timeout(PATIENCE)
        self.page.on('console', lambda said: self.complaints.append(said.text)
                     if said.type in ('error', 'warning') else None)
        self.page.on('pageerror', lambda error: self.complaints.append(str(error)))
        self.page.on('request', lambda request: self.asked.append(request.url))
        self.page.goto(address)

    def too_wide(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.page.evaluate('document.documentElement.scrollWidth - innerWidth')


@pytest.fixture(scope='session')
def chromium() -> Iterator[Any]:
    """A real browser; skips where there is none."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip('no Chromium is here: apt-get install chromium')
    driver = pytest.importorskip('playwright.sync_api',
                                 reason="playwright is not here: pip install -e '.[browser]'")
    with driver.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=['--no-sandbox'])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visit]]:
    """visit(address, width, dark=False) -> a Visit, which ends with the test."""
    visits: list[Visit] = []

    def opened(*args: Any, **options: Any) -> Visit:
        visits.append(Visit(chromium, *args, **options))
        return visits[-1]
    yield opened
    for one in visits:
        one.context.close()
