"""Prompts, questions and calibration text of strangers: read, or named by file and line."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strange import HOSTILE_BYTES, JSON_VALUES, as_json

from hola_plugins.hsd.report import render_snapshot
from hola_plugins.lobi import calibration_file
from hola_plugins.lobi.calibration_file import read_documents
from hola_plugins.lobi.config import LoBiError
from hola_plugins.lobi.draft.answer_file import _read
from hola_plugins.lobi.draft.prompts import read_prompts as read_draft_prompts
from hola_plugins.pilot.lm_eval_task import _as_arc
from hola_plugins.pilot.workload import DataError, read_prompts, read_queries, read_questions
from hola_plugins.stats import read_last_line

ROOT = Path(__file__).parents[3]
READERS = {
    "prompts": (read_prompts, DataError),
    "queries": (read_queries, DataError),
    "questions": (read_questions, DataError),
    "calibration": (read_documents, LoBiError),
    "draft prompts": (read_draft_prompts, LoBiError),
    "counters": (lambda path: render_snapshot(read_last_line(path)), ValueError),
}
KEYS = [
    "prompt",
    "id",
    "category",
    "question",
    "answer",
    "answers",
    "relevant",
    "text",
    "response",
    "messages",
    "gold",
    "choices",
    "query",
    "levels",
    "tokens",
    "calls",
    "time",
    "step_time_ms",
]
each_reader = pytest.mark.parametrize("name", READERS)
fuzzed = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

MEASURED = """
import sys
from pathlib import Path
{imports}
try:
    {call}
except ValueError as error:
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print(int(peak.split()[1]) >> 10, error)
"""


def read(name, path):
    """Reads a file; what is refused is refused by the reader's own error."""
    reader, refusal = READERS[name]
    with contextlib.suppress(refusal):
        reader(path)


@each_reader
@pytest.mark.parametrize("content", HOSTILE_BYTES.values(), ids=HOSTILE_BYTES)
def test_bytes_as_data(tmp_path, name, content):
    file = tmp_path / "data.jsonl"
    file.write_bytes(content)
    read(name, file)


@each_reader
@fuzzed
@given(
    records=st.lists(
        JSON_VALUES | st.dictionaries(st.sampled_from(KEYS), JSON_VALUES, max_size=4), max_size=4
    )
)
def test_records_of_any_values(tmp_path, name, records):
    file = tmp_path / "data.jsonl"
    file.write_bytes(b"\n".join(map(as_json, records)))
    read(name, file)
    (tmp_path / "data.json").write_bytes(as_json(records))
    if name in {"calibration", "draft prompts"}:
        read(name, tmp_path / "data.json")


@each_reader
@fuzzed
@given(content=st.binary(max_size=60))
def test_any_bytes(tmp_path, name, content):
    file = tmp_path / "data.jsonl"
    file.write_bytes(content)
    read(name, file)


@fuzzed
@given(row=st.dictionaries(st.sampled_from(["query", "choices", "gold"]), JSON_VALUES, max_size=3))
def test_a_multiple_choice_question_of_any_values(row):
    with contextlib.suppress(DataError):
        _as_arc(Path("data.jsonl"), 1, row)


def test_a_line_ends_at_a_line_feed_alone(tmp_path):
    """JSON may hold U+2028 and its like as they are; Python's splitlines cuts there."""
    text = "one\u2028two\u2029three\x85four\x1cfive".replace("\x1c", "\\u001c")
    file = tmp_path / "data.jsonl"
    file.write_text(f'{{"prompt": "{text}"}}\r\n{{"prompt": "six"}}\n', encoding="utf-8", newline="")
    assert [one.text for one in read_prompts(file)] == [text.replace("\\u001c", "\x1c"), "six"]
    assert len(read_draft_prompts(file)) == 2


@pytest.mark.parametrize(
    ("suffix", "size", "imports", "call", "words"),
    [
        (
            ".jsonl",
            1 << 30,
            "from hola_plugins.pilot.workload import read_prompts",
            "read_prompts(Path(sys.argv[1]))",
            "line 1 has more than 16 MiB: end each record",
        ),
        (
            ".jsonl",
            1 << 30,
            "from hola_plugins.lobi.calibration_file import read_documents",
            "read_documents(Path(sys.argv[1]))",
            "line 1 has more than 16 MiB",
        ),
        (
            ".jsonl",
            1 << 40,
            "from hola_plugins.pilot.workload import read_prompts",
            "read_prompts(Path(sys.argv[1]))",
            "more than 1024 MiB, which is the most that is read: split it",
        ),
        (
            ".txt",
            1 << 30,
            "from hola_plugins.lobi.draft.prompts import read_prompts",
            "read_prompts(Path(sys.argv[1]))",
            "more than 256 MiB",
        ),
        (
            ".json",
            1 << 30,
            "from hola_plugins.hsd.config import load_config",
            "load_config({'config_file': sys.argv[1]})",
            "more than 1 MiB",
        ),
        (
            ".txt",
            1 << 30,
            "from hola_plugins.corpus.files import read_pages",
            "read_pages(Path(sys.argv[1]))",
            "more than 32 MiB",
        ),
        (
            ".pdf",
            1 << 30,
            "from hola_plugins.corpus.files import read_pages",
            "read_pages(Path(sys.argv[1]))",
            "more than 512 MiB",
        ),
    ],
)
def test_a_line_or_file_of_a_gigabyte_is_refused_before_it_fills_memory(
    tmp_path, suffix, size, imports, call, words
):
    file = tmp_path / f"data{suffix}"
    with file.open("wb") as sparse:
        sparse.truncate(size)
    program = MEASURED.format(imports=imports, call=call)
    done = subprocess.run(
        [sys.executable, "-c", program, file], cwd=ROOT, capture_output=True, text=True, check=True
    )
    memory, _, message = done.stdout.partition(" ")
    assert words in message
    assert int(memory) < 500


def test_parquet_that_grows_when_it_is_read_is_refused(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr(calibration_file, "DATA_BYTES", 64 << 20)
    text = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array([0] * 4096, pyarrow.int32()), pyarrow.array(["x" * (1 << 19)])
    )
    file = tmp_path / "data.parquet"
    parquet.write_table(pyarrow.table({"text": text}), file)
    assert file.stat().st_size < 1 << 21
    with pytest.raises(LoBiError, match=r"data\.parquet holds more than 64 MiB"):
        read_documents(file)


@fuzzed
@given(content=st.binary(max_size=200))
def test_bytes_as_parquet(tmp_path, content):
    pytest.importorskip("pyarrow")
    file = tmp_path / "data.parquet"
    file.write_bytes(b"PAR1" + content + len(content).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(LoBiError, match=r"data\.parquet"):
        read_documents(file)


@fuzzed
@given(lines=st.lists(JSON_VALUES.map(as_json) | st.binary(max_size=30), max_size=4))
def test_a_damaged_cache_of_answers_loses_its_damaged_lines_alone(tmp_path, lines):
    file = tmp_path / "answers.jsonl"
    file.write_bytes(b"\n".join([*lines, b'{"prompt": 1, "ids": [1, 2, 3]}']))
    assert [1, 2, 3] in _read(file, 4).values()
