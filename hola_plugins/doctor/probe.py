"""Trying things out in a process of its own: imports that are slow, fail hard or print."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

_MARK = "hola-probe:"
_WRAPPER = """
import json
try:
    exec({preparation!r})
    answer = {{"value": ({expression})}}
except Exception as error:
    answer = {{"error": f"{{type(error).__name__}}: {{error}}"}}
print("\\n{mark}" + json.dumps(answer), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe gave: a value or an error, the other one is empty."""

    value: str
    error: str


def probe(expression: str, timeout: float, preparation: str = "") -> Answer:
    """Evaluates an expression in a fresh interpreter of this environment.

    Args:
        expression: Python, one expression; its value is turned into a string.
        timeout: Seconds after which the interpreter is stopped.
        preparation: Python statements to run first, whose names the expression may use.
    """
    program = _WRAPPER.format(expression=expression, preparation=preparation, mark=_MARK)
    try:
        run = subprocess.run(  # noqa: S603 - our own interpreter and expressions from this package
            [sys.executable, "-P", "-c", program],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Answer("", f"no answer within {timeout:g} s")
    lines = [line for line in run.stdout.splitlines() if line.startswith(_MARK)]
    if not lines:
        last = (run.stderr.strip().splitlines() or ["nothing was printed"])[-1]
        return Answer("", f"the interpreter ended with status {run.returncode}: {last}")
    answer = json.loads(lines[-1].removeprefix(_MARK))
    return Answer(str(answer.get("value", "")), str(answer.get("error", "")))
