"""The page of a pilot in a real Chromium, as a phone, a desktop and a printer see it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("scipy")
pytest.importorskip("jinja2")
if importlib.util.find_spec("PySide6") is None:
    pytest.skip("Chromium is not there: pip install --group browser", allow_module_level=True)

np = pytest.importorskip("numpy")
image = pytest.importorskip("PIL.Image")
pypdf = pytest.importorskip("pypdf")

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "pilot"))

from pilot_results import failed, full_results, full_stages, results, stage

from hola_plugins.pilot.report import write_report

BROWSER = Path(__file__).with_name("chromium_page.py")
PHONE, DESKTOP = 390, 1280
LONG = "a_path/without_any_space/" * 8


def long_results():
    """Long words everywhere: what is most likely to run over the edge."""
    stages = (
        *full_stages()[:3],
        failed("lobi", f"RuntimeError: {LONG}"),
        stage("all", title=f"with {LONG}", model=LONG),
    )
    return full_results(stages=stages, title=LONG)


CASES = {"full": full_results, "long": long_results, "one": lambda: results(stage())}


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    """Opens a case at a width; gives what Chromium measured, and the folder with page.png and page.pdf."""
    browser = subprocess.run(
        [sys.executable, "-c", "import PySide6.QtWebEngineWidgets"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "cannot open shared object" in browser.stderr:
        pytest.skip(f"Chromium lacks a library of the system: {browser.stderr.splitlines()[-1]}")
    seen = {}

    def at(case, width, scheme="light"):
        if (case, width, scheme) not in seen:
            folder = tmp_path_factory.mktemp(f"{case}-{width}-{scheme}")
            page = write_report(CASES[case](), folder)
            done = subprocess.run(
                [sys.executable, str(BROWSER), str(page), str(folder), str(width), scheme],
                capture_output=True,
                text=True,
                timeout=110,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-3000:]
            seen[case, width, scheme] = json.loads(done.stdout.splitlines()[-1]), folder
        return seen[case, width, scheme]

    return at


def pixels(folder):
    return np.asarray(image.open(folder / "page.png").convert("RGB"), dtype=np.float64)


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("case", CASES)
def test_nothing_runs_over_the_edge(look, case, width):
    found, _ = look(case, width)
    assert found["width"] == width
    assert found["scroll_width"] <= width
    outside = [one for one in found["texts"] if one["left"] < -0.5 or one["right"] > width + 0.5]
    assert not outside
    assert len(found["texts"]) > 30


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("case", CASES)
def test_charts_have_a_size_and_hold_their_text_in_a_readable_one(look, case, width):
    found, _ = look(case, width)
    assert len(found["charts"]) == {"full": 8, "long": 8, "one": 5}[case]
    for chart in found["charts"]:
        assert chart["width"] > 250
        assert chart["height"] > 50
        assert chart["right"] <= width
        assert chart["outside"] == 0
        assert chart["smallest"] >= 10


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_the_page_is_painted(look, width):
    _, folder = look("full", width)
    assert pixels(folder).std() > 10
    rows = pixels(folder).std(axis=(1, 2)) > 1
    assert rows.mean() > 0.4


def test_it_is_dark_where_the_reader_wants_it_dark(look):
    light, dark = look("full", PHONE)[1], look("full", PHONE, "dark")[1]
    assert pixels(light).mean() > 200
    assert pixels(dark).mean() < 80


def test_it_prints_whole(look):
    found, folder = look("full", DESKTOP)
    assert found["printed"] is True
    pages = pypdf.PdfReader(folder / "page.pdf").pages
    text = "\n".join(page.extract_text() for page in pages)
    assert 2 <= len(pages) <= 12
    for part in ("Recommendation", "Latency", "Settings to copy", "hola pilot pilot.yaml", "hola compress"):
        assert part in text
