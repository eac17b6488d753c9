"""Scoring holds one module in float32 and one layer's activations, not the model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

HERE = Path(__file__).parent
MEASURE = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import torch
from small_models import make, random_rows
from hola_plugins.lobi.calibration import read_calibration
from hola_plugins.lobi.divergence import record
from hola_plugins.lobi.quantise import NearestRounding
from hola_plugins.lobi.sensitivity import fisher_scores
from hola_plugins.lobi.structure import read_structure

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024

torch.set_num_threads(1)
torch.set_default_dtype(torch.bfloat16)
model = make("llama", hidden_size=512, intermediate_size=2048, num_hidden_layers=24)
torch.set_default_dtype(torch.float32)
text, structure = read_calibration(random_rows(4, 64), 4, 0.25), read_structure(model)
allowed = {group.name: ["W8A8"] for group in structure.groups}
Path("/proc/self/clear_refs").write_text("5")
before = peak()
record(model, text.held_out)
fisher_scores(model, text.fitting, structure.groups, allowed, NearestRounding(torch.bfloat16), structure.layers, 0)
print(peak() - before, 2 * sum(weight.numel() for weight in model.parameters()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_scoring_grows_memory_by_less_than_the_model():
    command = [sys.executable, "-c", MEASURE, str(HERE), str(HERE.parents[2])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, model = map(int, done.stdout.split())
    assert model > 100_000_000
    assert grown < model
