"""Task files for lm-eval: its own tasks over local data, and the user's own questions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hola_plugins.pilot.lm_eval_names import definition
from hola_plugins.pilot.sections import Task
from hola_plugins.pilot.workload import DataError, read_questions, rows

_PREFIX = "pilot_"
"""Tells the pilot's tasks from lm-eval's own of the same name."""

_STOP = {"exact": ["\n"], "contains": ["\n\n"]}
"""What ends an answer to an own question."""

_TRIMMED = {"name": "none", "filter": [{"function": "remove_whitespace"}, {"function": "take_first"}]}
"""What is compared of an answer, under the name that lm-eval gives to no filter: a blank follows the prompt's colon."""


def check_data(task: Task) -> None:
    """Reads a task's local files once, and looks its name up.

    Raises:
        DataError: A line that cannot be used, or a task that lm-eval does not have.
    """
    if task.questions is not None:
        read_questions(task.questions)
        return
    definition(task.task)
    for path in filter(None, (task.data, task.train)):
        for number, row in rows(path):
            _as_arc(path, number, row)


def write_task(task: Task, folder: Path, ask: Callable[[str], str]) -> str:
    """Writes the file that lm-eval reads a task from.

    Args:
        task: The task.
        folder: Folder that receives it and its data.
        ask: Turns an own question into the text that is sent.

    Returns:
        The name under which lm-eval knows it.

    Raises:
        DataError: Data that cannot be used, or a task that lm-eval does not have.
    """
    folder.mkdir(parents=True)
    if task.questions is not None:
        content = _own(task, folder, ask)
    elif task.data is not None:
        content = _local(task, folder)
    elif task.fewshot is not None:
        content = {"include": str(definition(task.task)), "num_fewshot": task.fewshot}
    else:
        return task.task
    name = _PREFIX + task.task
    _write(folder / f"{name}.yaml", content | {"task": name})
    return name


def _own(task: Task, folder: Path, ask: Callable[[str], str]) -> dict[str, Any]:
    """Defines a task of the user's questions."""
    data = folder / "questions.parquet"
    questions = read_questions(task.questions) if task.questions else []
    _write_texts(data, [(ask(one.text), one.answer.strip()) for one in questions[: task.limit]])
    generation = {"until": _STOP[task.match], "do_sample": False, "max_gen_toks": task.max_tokens}
    return {
        "dataset_path": "parquet",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "generation_kwargs": generation,
        "filter_list": [_TRIMMED],
        "metric_list": [{"metric": "exact_match", "ignore_case": True, "ignore_punctuation": True}],
        "num_fewshot": 0,
    }


def _write_texts(path: Path, questions: Sequence[tuple[str, str]]) -> None:
    """Writes prompts and answers as what they are, texts: in JSON lines a reader takes dates for times."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"prompt": prompt, "answer": answer} for prompt, answer in questions]
    parquet.write_table(pa.Table.from_pylist(rows), path)


def _local(task: Task, folder: Path) -> dict[str, Any]:
    """Defines one of lm-eval's tasks over local data."""
    files = {"test": _copy(task.data, folder / "test.jsonl")} if task.data else {}
    if task.train is not None:
        files["train"] = _copy(task.train, folder / "train.jsonl")
    split = "train" if task.train else None
    shots = {} if task.train and task.fewshot is None else {"num_fewshot": task.fewshot or 0}
    return {
        "include": str(definition(task.task)),
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
        "training_split": split,
        "fewshot_split": split,
        "validation_split": None,
        "test_split": "test",
        **shots,
    }


def _copy(source: Path, target: Path) -> str:
    """Copies JSON lines; multiple-choice questions are brought into the form of ARC's data set."""
    lines = [json.dumps(_as_arc(source, number, row)) for number, row in rows(source)]
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(target)


def _as_arc(path: Path, number: int, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Gives {query, choices, gold}, a form in which ARC is also passed on, as {question, choices, answerKey}."""
    if "gold" not in row:
        return row
    choices, gold = row.get("choices"), row["gold"]
    if not isinstance(choices, list) or not isinstance(gold, int) or not 0 <= gold < len(choices):
        raise DataError(
            f"{path}, line {number}: 'gold' must be the place of one of the 'choices', got {gold!r}"
        )
    labels = [chr(ord("A") + place) for place in range(len(choices))]
    question = str(row.get("query", "")).removeprefix("Question:").strip()
    return {"question": question, "choices": {"text": choices, "label": labels}, "answerKey": labels[gold]}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """Writes YAML."""
    import yaml

    path.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
