"""ModelOpt's auto_quantize, run in an environment of its own: one search, solved for every mean number of bits.

The argument is a JSON file of {"model": folder, "rows": [[ids]], "bits": [...], "schemes": {name: [bits, group size or
null, activation bits, stored bits]}, "out": file}. The file named by "out" receives, for each number of bits that is
feasible, the name of the scheme of every layer; layers that are left as they are have none.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from modelopt.torch import quantization
from modelopt.torch.quantization.algorithms import get_auto_quantize_config
from transformers import AutoModelForCausalLM

_ROWS_A_STEP = 4
_SUFFIX = ".weight_quantizer"


def as_format(bits: int, group_size: int | None, activation_bits: int, stored_bits: float) -> dict[str, Any]:
    """Gives a scheme as ModelOpt's format; scales count in the bits that it solves for."""
    weight: dict[str, Any] = {"num_bits": bits}
    weight |= {"axis": 0} if group_size is None else {"block_sizes": {-1: group_size, "type": "static"}}
    entry: dict[str, Any] = {"quantizer_name": "*input_quantizer", "enable": False}
    if activation_bits == 8:
        entry = {
            "quantizer_name": "*input_quantizer",
            "cfg": {"num_bits": 8, "type": "dynamic", "block_sizes": {-1: None}},
        }
    return {
        "quant_cfg": [
            {"quantizer_name": "*", "enable": False},
            {"quantizer_name": "*weight_quantizer", "cfg": weight},
            entry,
        ],
        "algorithm": "max",
        "effective_bits": stored_bits,
    }


def search(model: Any, rows: torch.Tensor, formats: list[dict[str, Any]], bits: float) -> dict[str, Any]:
    """Scores all layers and formats by gradients; gives the state that further numbers of bits are solved from."""
    steps = rows.split(_ROWS_A_STEP)
    _, state = quantization.auto_quantize(
        model,
        constraints={"effective_bits": bits},
        quantization_formats=formats,
        data_loader=steps,
        forward_step=lambda network, ids: network(input_ids=ids, labels=ids, use_cache=False),
        loss_func=lambda output, _: output.loss,
        disabled_layers=["*lm_head*"],
        num_calib_steps=len(steps),
        num_score_steps=len(steps),
    )
    found: dict[str, Any] = state
    return found


def plan_of(state: dict[str, Any], bits: float, schemes: dict[str, list[Any]]) -> dict[str, str]:
    """Solves for a mean number of bits and gives the scheme of every quantised layer."""
    config = get_auto_quantize_config(state, constraints={"effective_bits": bits})
    names = {(scheme[0], scheme[1]): name for name, scheme in schemes.items()}
    plan = {}
    for entry in config["quant_cfg"]:
        if (
            entry["quantizer_name"].endswith(_SUFFIX)
            and entry.get("enable", True)
            and "*" not in entry["quantizer_name"]
        ):
            found = entry["cfg"]
            width = (found.get("block_sizes") or {}).get(-1)
            plan[entry["quantizer_name"].removesuffix(_SUFFIX)] = names[found["num_bits"], width]
    return plan


def main() -> None:
    """Reads the job, searches, writes the plans."""
    warnings.filterwarnings("ignore")
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32).eval()
    formats = [as_format(*scheme) for scheme in job["schemes"].values()]
    least = min(stored for *_, stored in job["schemes"].values())
    wanted = [bits for bits in job["bits"] if bits > least]
    state = search(model, torch.tensor(job["rows"]), formats, max(wanted))
    plans = [plan_of(state, bits, job["schemes"]) for bits in wanted]
    Path(job["out"]).write_text(json.dumps(plans), encoding="utf-8")


if __name__ == "__main__":
    main()
