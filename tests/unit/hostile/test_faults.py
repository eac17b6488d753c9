"""A full disk, a folder without rights, a link in the way: a clear error, and what was there stays."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_runner import FakeRunner, Replay
from hashed_words import HashedWords

from hola_plugins.corpus.files import find_files
from hola_plugins.corpus.indexing import Indexer
from hola_plugins.files.whole_file import write_text
from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.drafter import HierarchicalDrafter
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.langchain import FaissStore
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.staged_folder import staged_folder
from hola_plugins.pilot.state import State

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
NOBODY = 65534

FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))
"""
READ_ONLY = f"""
import os
if os.getuid() == 0:
    os.setgid({NOBODY})
    os.setuid({NOBODY})
"""
IMPORTS = """
import contextlib, io, sys, tempfile, typer
from pathlib import Path
from hashed_words import HashedWords
from hola_plugins.cli.ending import ends_with_2
from hola_plugins.corpus.files import find_files
from hola_plugins.corpus.indexing import Indexer
from hola_plugins.langchain import FaissStore
from hola_plugins.pilot.state import State
place = Path(sys.argv[1])
with tempfile.TemporaryDirectory() as warm:
    (Path(warm) / 'a.txt').write_text('all that is imported late')
    list(Indexer(FaissStore(HashedWords()), Path(warm) / 'index', 100).run(find_files(Path(warm))))
with contextlib.suppress(typer.Exit), contextlib.redirect_stderr(io.StringIO()), ends_with_2('index', 'stopped'):
    raise OSError('what rich imports late')
"""
"""What runs before the fault: nothing is imported, and no library is loaded, behind it."""

SAVE = "FaissStore.from_texts([f'new {n}' for n in range(500)], HashedWords()).save(place)"
INDEX = """
try:
    with ends_with_2('index', 'stopped'):
        store = FaissStore.load(place, HashedWords())
        list(Indexer(store, place, 100, save_every_s=0).run(find_files(Path(sys.argv[2]))))
except typer.Exit as ended:
    sys.exit(ended.exit_code)
"""
PUT = "State(place).put('round', 'new', 'x' * 5000)"


def run(fault, code, *arguments):
    """Runs code in a process of its own that has the fault."""
    places = [str(ROOT), str(HERE.parent / "langchain_door")]
    program = f"import sys\nsys.path[:0] = {places}\n{IMPORTS}\n{fault}\n{code}\n"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def sealed(folder):
    """Takes the right to write from everything in a folder, for everyone but root."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.fixture
def index(tmp_path):
    """An index that `hola index` made of one document."""
    folder, docs = tmp_path / "index", tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("the cat sat")
    metadata = {"source": "a.txt", "version": "old", "part": 1, "parts": 1}
    FaissStore.from_texts(["the cat sat"], HashedWords(), [metadata], ids=["a.txt#1@old"]).save(folder)
    (docs / "a.txt").write_text("\n\n".join(f"paragraph {number} " + "x " * 40 for number in range(200)))
    return folder


@pytest.mark.parametrize("fault", [FULL_DISK, READ_ONLY], ids=["full disk", "no right"])
@pytest.mark.parametrize("code", [SAVE, INDEX], ids=["save", "hola index"])
def test_a_store_that_cannot_be_saved_stays_as_it_was(index, tmp_path, fault, code):
    before = content(index)
    if fault is READ_ONLY:
        sealed(index)
        for path in tmp_path.parents:
            if path.stat().st_mode & 0o005 != 0o005 and os.getuid() == 0:
                path.chmod(path.stat().st_mode | 0o005)
        tmp_path.chmod(0o755)
    done = run(fault, code, index, tmp_path / "docs")
    assert done.returncode == (2 if code is INDEX else 1), done.stderr
    assert any(
        words in done.stderr for words in ("could not be written", "cannot save in", "Permission denied")
    )
    assert (code is SAVE) == ("Traceback" in done.stderr)
    after = content(index)
    assert {name for name in after if name.name != ".lock"} == {
        name for name in before if name.name != ".lock"
    }
    assert all(after[name] == before[name] for name in before)
    assert FaissStore.load(index, HashedWords()).get_by_ids(["a.txt#1@old"])[0].page_content == "the cat sat"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this process may not mount a tmpfs; the tests with a limit of the file size remain")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_full_leaves_the_old_store_and_the_finished_units(small_disk):
    old = FaissStore.from_texts(["old"], HashedWords())
    old.save(small_disk / "index")
    State(small_disk / "state").put("round", "old", 1)
    with pytest.raises(OSError, match="could not be written"):
        FaissStore.from_texts([f"new {number}" for number in range(2000)], HashedWords()).save(
            small_disk / "index"
        )
    with pytest.raises(OSError, match=r"round\.json could not be written and is as it was: No space left"):
        State(small_disk / "state").put("round", "new", "x" * (1 << 19))
    assert list(FaissStore.load(small_disk / "index", HashedWords()).passages.texts.values()) == ["old"]
    assert len(list((small_disk / "index").glob("data-*"))) == 1
    assert State(small_disk / "state").get("round", "old") == 1
    old.save(small_disk / "index")


def test_a_unit_of_the_pilot_that_cannot_be_kept_leaves_the_finished_ones(tmp_path):
    state = State(tmp_path / "state")
    state.put("round", "old", 1)
    done = run(FULL_DISK, PUT, tmp_path / "state")
    assert "round.json could not be written and is as it was: File too large" in done.stderr
    assert state.get("round", "old") == 1
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["round.json"]


@pytest.mark.parametrize("place", ["/dev/full", "pipe"])
def test_serving_goes_on_where_telemetry_cannot_be_written(tmp_path, place, caplog):
    os.mkfifo(tmp_path / "pipe")
    telemetry = {"jsonl": place if place.startswith("/") else str(tmp_path / place), "jsonl_interval_s": 1e-9}
    config = HSDConfig.model_validate({"deterministic": True, "telemetry": telemetry})
    drafter = HierarchicalDrafter(config, DraftLimits(8, 64, 128), 1)
    runner = FakeRunner(drafter, 1, 128, 64, 8)
    with caplog.at_level(logging.WARNING):
        runner.run([Replay([1, 2, 3, 4, 5, 6] * 12, prompt=12)])
    assert runner.emitted == 60
    assert runner.emitted / runner.steps > 2.0
    assert drafter.snapshot()["errors"] == 0
    until = time.monotonic() + 30
    while "telemetry pauses" not in caplog.text and time.monotonic() < until:
        time.sleep(0.05)
    assert caplog.text.count("telemetry pauses") == 1


def test_a_folder_that_cannot_be_listed_stops_the_run_before_its_files_count_as_gone(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        find_files(tmp_path)


def test_a_document_that_cannot_be_read_is_reported_and_stays_known(tmp_path):
    docs, store = tmp_path / "docs", FaissStore(HashedWords())
    docs.mkdir()
    (docs / "a.txt").write_text("the cat sat")
    (docs / "b.txt").write_text("the dog ran")
    list(Indexer(store, tmp_path / "index", 100).run(find_files(docs)))
    found = find_files(docs)
    (docs / "a.txt").unlink()
    (docs / "b.txt").write_text("the dog sat")
    indexer = Indexer(store, tmp_path / "index", 100)
    list(indexer.run(found))
    assert [name for name, _ in indexer.report.unreadable] == ["a.txt"]
    kept = FaissStore.load(tmp_path / "index", HashedWords()).passages.texts.values()
    assert sorted(kept) == ["the cat sat", "the dog sat"]


def test_a_link_in_place_of_a_files_draft_is_not_followed(tmp_path):
    (tmp_path / "diary").write_text("dear diary")
    (tmp_path / f".report.json.{os.getpid()}").symlink_to(tmp_path / "diary")
    write_text(tmp_path / "report.json", "new")
    assert (tmp_path / "diary").read_text() == "dear diary"
    assert (tmp_path / "report.json").read_text() == "new"


def test_a_link_in_place_of_an_unfinished_checkpoint_empties_nothing(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("cat")
    (tmp_path / ".small.unfinished").symlink_to(tmp_path / "photos")
    with pytest.raises(LoBiError, match="is a file or a link: remove it"), staged_folder(tmp_path / "small"):
        pass
    assert (tmp_path / "photos" / "cat.png").read_text() == "cat"


def test_a_link_in_an_unfinished_checkpoint_is_removed_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("cat")
    (tmp_path / ".small.unfinished").mkdir()
    (tmp_path / ".small.unfinished" / "link").symlink_to(tmp_path / "photos")
    with staged_folder(tmp_path / "small") as folder:
        assert not list(folder.iterdir())
        (folder / "config.json").write_text("{}")
    assert (tmp_path / "photos" / "cat.png").read_text() == "cat"


def test_an_output_that_is_a_link_keeps_the_link_and_fills_its_target(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "small").symlink_to(tmp_path / "disk")
    with staged_folder(tmp_path / "small") as folder:
        (folder / "config.json").write_text("{}")
    assert (tmp_path / "small").is_symlink()
    assert json.loads((tmp_path / "disk" / "config.json").read_text()) == {}
