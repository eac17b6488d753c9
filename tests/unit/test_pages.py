"""What pages tell people to type exists: commands with their options, scripts, linked files and settings."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from hola_plugins.cli import app
from hola_plugins.hsd.config import HSDConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("integrations/**/*.md")), *sorted(ROOT.glob("tests/**/*.md"))]
BENCHMARKS = ROOT / "tests" / "benchmarks"
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def code_of(page: Path) -> Iterator[str]:
    """Yields what a page sets in code: the lines of its shell blocks, those that go on joined, and what stands in a line."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    for span in re.findall(
        r"(?<!`)`([^`]+)`(?!`)", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    ):
        yield " ".join(span.split())


def words_of(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return []


def commands_of(page: Path, *starts: str) -> Iterator[list[str]]:
    """Yields the words of each command that starts so."""
    for line in code_of(page):
        words = words_of(line)
        if words[: len(starts)] == list(starts) and len(words) > len(starts):
            yield words[len(starts) :]


def options_of(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--") and word != "--"}


@each_page
def test_commands_of_hola_and_their_options_exist(page: Path) -> None:
    known = typer.main.get_command(app).commands
    for name, *rest in commands_of(page, "hola"):
        if name.startswith("-"):
            continue
        assert name in known, f"hola {name}"
        has = {
            option
            for parameter in known[name].params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        assert options_of(rest) <= {*has, "--help"}, f"hola {name}: {sorted(options_of(rest) - has)}"


@each_page
def test_scripts_and_their_options_exist(page: Path) -> None:
    sources = "".join(file.read_text(encoding="utf-8") for file in BENCHMARKS.glob("*.py"))
    for script, *rest in commands_of(page, "python"):
        if not script.endswith(".py"):
            continue
        file = next((one for one in (ROOT / script, page.parent / script) if one.is_file()), None)
        assert file is not None, script
        own = sources if file.parent == BENCHMARKS else file.read_text(encoding="utf-8")
        missing = {option for option in options_of(rest) if f'"{option}"' not in own}
        assert not missing, f"{script}: {sorted(missing)}"


@each_page
def test_linked_files_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert "://" in target or (page.parent / target).exists(), target


def test_settings_of_hsd_are_settings() -> None:
    lines = [line for page in PAGES for line in code_of(page)]
    found = [settings for line in lines for settings in re.findall(r'\{"hola".*\}', line)]
    assert len(found) > 1
    for settings in found:
        own = json.loads(settings)["hola"]["hsd"]
        HSDConfig.model_validate({key: value for key, value in own.items() if key != "config_file"})
