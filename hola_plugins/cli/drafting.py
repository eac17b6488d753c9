"""A draft model made of the target: `hola draft`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hola_plugins.cli.compression import quieten_host
from hola_plugins.cli.ending import ends_with_2
from hola_plugins.cli.home_folder import in_home
from hola_plugins.cli.out_folder import check_out
from hola_plugins.cli.results_console import results_console

CACHE = Path("~/.cache/hola/answers")


def draft(
    model: Annotated[
        str, typer.Option(help="The target: a folder, or a hub id; not quantised.", callback=in_home)
    ],
    out: Annotated[Path, typer.Option(help="The folder that receives the draft.", callback=in_home)],
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Your prompts: JSON lines or parquet with prompt, question, messages or text, or a text file; the "
            "target answers them.",
            show_default="Python's documentation",
            callback=in_home,
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            help="Prompts to measure the draft on.", show_default="a tenth of the prompts", callback=in_home
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="Share of the target's layers' parameters: 25%.", show_default="25%"),
    ] = None,
    layers: Annotated[
        int | None, typer.Option(min=1, help="Layers to keep.", show_default="the fewest for the size")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            help="Train this model on, a draft made before or a small sibling with the same tokenizer, and cut nothing.",
            callback=in_home,
        ),
    ] = None,
    bits: Annotated[
        float | None,
        typer.Option(
            help="Quantise the draft to this many bits a weight, such as 8.5, for vLLM's draft_model; HSD's level unpacks it.",
            show_default="not quantised",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="With --bits, where vLLM will run it: cuda, cpu (with AVX-512) or cpu_avx2.",
            show_default="as this machine",
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=0, help="Most training steps.")] = 2000,
    minutes: Annotated[
        float | None, typer.Option(help="Most minutes of training.", show_default="as the steps take")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak learning rate.", show_default="0.25 / hidden size")
    ] = None,
    loss: Annotated[str, typer.Option(help="kl, reverse_kl, total_variation or greedy.")] = "kl",
    train: Annotated[str, typer.Option(help="all parameters, or lora: less memory.")] = "all",
    rows: Annotated[int, typer.Option(min=1, help="Answers in one step.")] = 8,
    most_prompts: Annotated[int, typer.Option(min=24, help="Most prompts to use.")] = 2000,
    prompt_tokens: Annotated[
        int, typer.Option(min=1, help="Longest prompt; longer ones are left out.")
    ] = 512,
    answer_tokens: Annotated[int, typer.Option(min=2, help="Longest answer.")] = 128,
    cache: Annotated[
        Path,
        typer.Option(
            help="Folder of the target's answers: another run does not ask again.", callback=in_home
        ),
    ] = CACHE,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the checkpoint at --out.")] = False,
) -> None:
    """Makes a draft model of the target itself: a few of its layers, taught what the target says to your prompts.

    The draft has the target's tokenizer, loads in transformers and as vLLM's draft_model, and comes with draft.json:
    its acceptance on held-out prompts, its cost, and whether it is likely to pay. Ctrl-C in training keeps the best
    so far. Ends with status 2 when the model, the prompts or the size will not do.
    """
    with ends_with_2("draft", "stopped; answers of the target are kept, the same command goes on after them"):
        from hola_plugins.lobi.budget_text import parse_share

        settings = {
            "size": size and parse_share(size),
            "layers": layers,
            "steps": steps,
            "minutes": minutes,
            "learning_rate": learning_rate,
            "loss": loss,
            "train": train,
            "rows": rows,
            "prompts": most_prompts,
            "prompt_tokens": prompt_tokens,
            "answer_tokens": answer_tokens,
            "seed": seed,
        }
        _check_options(start, size or layers, bits, device)
        check_out(model, out, force, reads=(prompts, held_out, start), cache=cache)
        _make(model, out, prompts, held_out, settings, start, bits, device, cache, force)


def _make(
    model: str,
    out: Path,
    prompts: Path | None,
    held_out: Path | None,
    settings: dict[str, Any],
    start: str | None,
    bits: float | None,
    device: str | None,
    cache: Path,
    force: bool,
) -> None:
    """Makes the draft and shows what it reads, then what came of it."""
    _check_installed()
    from hola_plugins.lobi.draft.config import load_draft_config
    from hola_plugins.lobi.draft.making import make_draft
    from hola_plugins.lobi.draft.report import report_draft
    from hola_plugins.lobi.draft.source import read_draft_source
    from hola_plugins.lobi.draft.summary import draft_command, render_draft
    from hola_plugins.lobi.staged_folder import staged_folder

    config = load_draft_config(settings)
    low = None if bits is None else _low_bits(bits, device, config.seed)
    source = read_draft_source(model, prompts, held_out, config)
    Console(stderr=True, highlight=False).print(_read(source.made_of, own=prompts is not None), markup=False)
    with staged_folder(out, replace=force) as folder:
        made = make_draft(source, config, folder, start=start, low=low, cache=cache)
        if low is not None:
            from hola_plugins.llmcompressor.draft_bits import quantise_draft

            answers = [answer.ids for answer in made.lesson.answers]
            quantise_draft(folder, str(out), source.tokenizer, answers, low)
        report = report_draft(source, config, made, folder, start)
    shown = results_console()
    shown.print(render_draft(report))
    shown.print(report["payoff"]["verdict"], markup=False)
    shown.print(f"\nIn the environment of vLLM: {draft_command(report, out)}", markup=False, soft_wrap=True)


def _check_options(start: str | None, cut: str | int | None, bits: float | None, device: str | None) -> None:
    """Refuses options that would do nothing."""
    if start is not None and cut is not None:
        raise ValueError("--start trains a model as it is, and nothing is cut: leave out --size and --layers")
    if device is not None and bits is None:
        raise ValueError("--device is for a quantised draft: give --bits too, or leave it out")


def _check_installed() -> None:
    """Names the extra where a library is missing."""
    for library in ("jinja2", "scipy", "torch", "transformers"):
        if find_spec(library) is None:
            raise ImportError(
                f"'{library}' is not installed. Install it with: pip install 'hola-plugins[llmcompressor]'; the "
                "environment of vLLM has it as well"
            )


def _low_bits(bits: float, device: str | None, seed: int) -> Any:
    """Checks the bits and that llmcompressor is there, before the work."""
    quieten_host()
    import hola_plugins.llmcompressor  # noqa: F401 - says so where it is missing
    from hola_plugins.lobi.config import load_config
    from hola_plugins.lobi.target_device import detect_device

    return load_config({"target_bits": bits, "target_device": device or detect_device(), "seed": seed})


def _read(made_of: dict[str, Any], *, own: bool) -> str:
    """Says what the draft learns from, and what would be better."""
    line = (
        f"prompts from {made_of['source']['name']}: {made_of['fitting']} to learn from, {made_of['checks']} to "
        f"check training, {made_of['held_out']} held out"
    )
    return line if own else f"{line}; prompts as your model will see them (--prompts) are the better choice"
