"""A model made smaller, and its recipe: `hola compress` and `hola recipe`."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hola_plugins.cli.ending import ends_with_2
from hola_plugins.cli.home_folder import in_home
from hola_plugins.cli.out_folder import check_adapter, check_out
from hola_plugins.cli.results_console import results_console

CACHE = Path("~/.cache/hola/scores")
DTYPES = ("auto", "bfloat16", "float16", "float32")


def compress(
    model: Annotated[str, typer.Argument(help="The model: a folder, or a hub id.", callback=in_home)],
    budget: Annotated[
        str, typer.Option(help="A share of its size (45%), a size (1.2GB), or bits a weight (4.5bit).")
    ],
    out: Annotated[Path, typer.Option(help="The folder that receives the checkpoint.", callback=in_home)],
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="Text as the model will see it: a text file, parquet, or JSON lines with text, prompt and response, "
            "question and answer, or messages.",
            callback=in_home,
            show_default="documentation and library of this machine's Python",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Where vLLM will run it: cuda, cpu (with AVX-512) or cpu_avx2.",
            show_default="as this machine",
        ),
    ] = None,
    prune: Annotated[
        str, typer.Option(help="Share of the MLP channels to cut (25%), or auto: as the budget needs.")
    ] = "0",
    choices: Annotated[
        str | None,
        typer.Option(help="Schemes to choose from, with commas: W4A16,W8A8,BF16.", show_default="by device"),
    ] = None,
    quantizer: Annotated[str, typer.Option(help="gptq, awq or rtn.")] = "gptq",
    tune: Annotated[
        int,
        typer.Option(
            min=0,
            help="Steps of training scales, norms and biases after the quantisation, such as 100; `hola recipe` "
            "leaves that out.",
        ),
    ] = 0,
    samples: Annotated[int, typer.Option(min=8, help="Most calibration sequences.")] = 128,
    sequence_length: Annotated[int, typer.Option(min=8, help="Tokens of each.")] = 512,
    dtype: Annotated[
        str, typer.Option(help="Load and store in bfloat16, float16 or float32; auto: as it is.")
    ] = "auto",
    memory: Annotated[
        str | None,
        typer.Option(
            help="Most memory for the weights (8GB); the rest of a larger model stays on disk, and takes longer.",
            show_default="half of what is free",
        ),
    ] = None,
    adapter: Annotated[
        Path | None,
        typer.Option(
            help="Folder that receives the LoRA adapter of the recovery after a cut, such as OUT/adapter.",
            callback=in_home,
        ),
    ] = None,
    cache: Annotated[
        Path, typer.Option(help="Folder of scores: another budget is not scored again.", callback=in_home)
    ] = CACHE,
    seed: Annotated[int, typer.Option(help="Seed of every random number.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace the checkpoint at --out.")] = False,
) -> None:
    """Makes a model smaller under one budget: a bit width for every layer, and a cut where you ask for one.

    The checkpoint has its config, tokenizer, recipe and report, loads in transformers and in vLLM, and appears
    only when all is done. Ends with status 2 when the model, the text or the budget will not do.
    """
    with ends_with_2(
        "compress", "stopped; scores that were finished are kept, and the same command goes on after them"
    ):
        from hola_plugins.lobi.budget_text import parse_budget, parse_size

        if adapter is not None:
            check_adapter(adapter, out)
        check_out(model, out, force, reads=(calibration,), cache=cache)
        settings = parse_budget(budget) | {
            "prune": _prune(prune),
            "quantizer": quantizer,
            "samples": samples,
            "seed": seed,
            "choices": choices and [name.strip() for name in choices.split(",")],
            "lora": {"adapter": adapter and str(adapter)},
            "tune": {"steps": tune},
            "cache": str(cache),
        }
        cache.mkdir(parents=True, exist_ok=True)
        if dtype not in DTYPES:
            raise ValueError(f"--dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
        if adapter is not None and not settings["prune"]:
            raise ValueError(
                "--adapter keeps what recovers a cut model, and nothing is cut: give --prune too"
            )
        room = None if memory is None else parse_size(memory)
        _compress(model, out, calibration, settings, device, sequence_length, dtype, room, force)


def recipe(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR_OR_REPORT",
            help="A compressed checkpoint, its recipe, or its report.",
            callback=in_home,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file that receives the recipe.", show_default="the terminal", callback=in_home
        ),
    ] = None,
) -> None:
    """Writes the recipe of a finished run in llmcompressor's own modifiers, to make the checkpoint without Lo-Bi.

    The same checkpoint, tensor for tensor, from the model in the dtype that the recipe names; where it was made with
    --tune, the same bits, untuned. Ends with status 2 where the model was cut: no stock modifier gives those weights.
    """
    with ends_with_2("recipe", "stopped"):
        from hola_plugins.files.whole_file import check_replaceable, write_text
        from hola_plugins.lobi.stock_recipe import recipe_file, stock_recipe

        found = stock_recipe(source)
        if out is None:
            typer.echo(found.text, nl=False)
        elif out.exists() and out.samefile(read := recipe_file(source)):
            raise ValueError(f"--out {out} is {read} itself, which would be lost: give another file")
        else:
            check_replaceable(out)
            write_text(Path(os.path.realpath(out)), found.text)
        Console(stderr=True, highlight=False).print(found.same, markup=False)


def _compress(
    model: str,
    out: Path,
    calibration: Path | None,
    settings: dict[str, Any],
    device: str | None,
    length: int,
    dtype: str,
    memory: int | None,
    force: bool,
) -> None:
    """Runs the compression and shows what it reads, then what came of it."""
    quieten_host()
    from hola_plugins.llmcompressor.checkpoint import compress_checkpoint, read_source
    from hola_plugins.lobi.config import load_config
    from hola_plugins.lobi.serve_command import serve_command
    from hola_plugins.lobi.summary import HSD, render_summary
    from hola_plugins.lobi.target_device import detect_device, speed_hint

    config = load_config(settings | {"target_device": device or detect_device()})
    source = read_source(model, calibration, config.samples, length, config.seed)
    console = Console(stderr=True, highlight=False)
    console.print(_read(source.calibration, config.samples, own=calibration is not None), markup=False)
    if device is None:
        console.print(
            f"for vLLM on {config.target_device}, as this machine; elsewhere: --device", markup=False
        )
    if hint := speed_hint(config.target_device, config.scheme_names):
        console.print(hint, markup=False)
    report = compress_checkpoint(source, config, dtype, out, memory, replace=force)
    shown = results_console()
    shown.print(render_summary(report))
    shown.print(f"\nIn the environment of vLLM: {serve_command(str(out), HSD)}", markup=False, soft_wrap=True)


def quieten_host() -> None:
    """Leaves errors of llmcompressor's log, which is set up at its import and fills a terminal; its bars stay."""
    for name, value in (("LLM_COMPRESSOR_LOG_LEVEL", "ERROR"), ("TOKENIZERS_PARALLELISM", "false")):
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore", message="Attempting to save a model with offloaded modules")


def _read(calibration: dict[str, Any], wanted: int, *, own: bool) -> str:
    """Says what the model is calibrated with, and what would be better."""
    count, length = calibration["sequences"], calibration["sequence_length"]
    line = f"calibration: {count} sequences of {length} tokens from {calibration['source']}"
    if not own:
        return f"{line}; text as your model will see it (--calibration) is the better choice"
    return line if count == wanted else f"{line}; {wanted} would be better"


def _prune(text: str) -> float | str:
    """Reads how much is cut."""
    from hola_plugins.lobi.budget_text import parse_share

    return text if text == "auto" else parse_share(text)
