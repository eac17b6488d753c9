"""A disk without room: what was there stays whole, what cannot be kept is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIMITED = """
import logging, resource, signal, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
"""


def run_limited(code: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that may write no file of more than 64 bytes."""
    command = [sys.executable, "-c", LIMITED + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path):
    file = tmp_path / "report.json"
    file.write_text('{"old": 1}')
    done = run_limited(
        "from hola_plugins.files.whole_file import write_json\nwrite_json(Path(sys.argv[1]), {'new': 'x' * 200})\n",
        file,
    )
    assert done.returncode != 0
    assert f"{file} could not be written and is as it was" in done.stderr
    assert json.loads(file.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [file]


def test_scores_that_cannot_be_kept_are_used_all_the_same(tmp_path):
    pytest.importorskip("torch")
    done = run_limited(
        "from hola_plugins.lobi.score_cache import cached_scores\n"
        "scores = {'group': {f'W{bits}': 0.5 for bits in range(50)}}\n"
        "print(cached_scores(sys.argv[1], 'key', scores, lambda: scores) == scores)\n",
        tmp_path,
    )
    assert done.stdout.strip() == "True"
    assert "scores are not kept, another run will score again" in done.stderr
    assert list(tmp_path.iterdir()) == []
