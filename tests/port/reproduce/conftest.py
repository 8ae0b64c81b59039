"""What runs of tiny nets on drawn scenes need."""

from pathlib import Path

import pytest

from port.data.scenes import draw_dataset
from port.reproduce.report_pictures import Drawn


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp('scenes'), 6, 4, (32, 40))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no pictures, but for the run that all tests share: it is made before this."""
    monkeypatch.setattr('port.reproduce.report_pictures.draw', lambda *args: Drawn())
