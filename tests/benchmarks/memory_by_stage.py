"""A child that compresses a checkpoint in limited memory, and says what each stage held at most."""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

PARTS = ("VmRSS", "RssAnon", "RssFile")


class Watch:
    """Samples the memory of this process every 20 ms, and keeps the peaks of every stage."""

    def __init__(self) -> None:
        self.stages: dict[str, dict[str, float]] = {}
        self._stage = "start"
        self._began = time.perf_counter()
        threading.Thread(target=self._run, daemon=True).start()

    def enter(self, stage: str) -> str:
        """Begins a stage; gives the one before."""
        before, self._stage = self._stage, stage
        now = time.perf_counter()
        held = self.stages.setdefault(before, dict.fromkeys((*PARTS, "seconds"), 0))
        held["seconds"] += now - self._began
        self._began = now
        return before

    def named(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Makes a function a stage, for as long as it runs."""

        @wraps(function)
        def wrapped(*args: Any, **keywords: Any) -> Any:
            before = self.enter(stage)
            try:
                return function(*args, **keywords)
            finally:
                self.enter(before)

        return wrapped

    def _run(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            held = self.stages.setdefault(self._stage, dict.fromkeys((*PARTS, "seconds"), 0))
            for part in PARTS:
                held[part] = max(held[part], int(status.split(f"{part}:")[1].split()[0]) * 1024)
            time.sleep(0.02)


def main() -> None:
    """Compresses as told by JSON in the only argument; the last line is JSON."""
    told = json.loads(sys.argv[1])
    import torch

    from hola_plugins.cli.compression import quieten_host

    quieten_host()
    torch.set_num_threads(1)
    from hola_plugins.llmcompressor import checkpoint, modifier
    from hola_plugins.lobi import compression, quantisation_plan
    from hola_plugins.lobi.config import load_config

    watch = Watch()
    for module, name, stage in (
        (checkpoint, "load", "loading"),
        (modifier, "compress", "checking and recording"),
        (quantisation_plan, "_rounding", "statistics"),
        (quantisation_plan, "cached_scores", "scoring"),
        (quantisation_plan, "_rivals", "solving"),
        (quantisation_plan, "choose", "plans on held-out text"),
        (compression, "record", "checking and recording"),
        (modifier, "measure", "measuring the result"),
    ):
        setattr(module, name, watch.named(stage, getattr(module, name)))
    entered = checkpoint.oneshot

    def oneshot(**keywords: Any) -> Any:
        watch.enter("quantisation")
        model = keywords["model"]
        from llmcompressor.transformers.compression.compressed_tensors_utils import modify_save_pretrained

        modify_save_pretrained(model)
        saving = watch.named("saving", model.save_pretrained)
        saving._overridden = True  # type: ignore[attr-defined]
        model.save_pretrained = saving
        return entered(**keywords)

    checkpoint.oneshot = oneshot
    config = load_config(told["config"])
    source = checkpoint.read_source(told["model"], None, config.samples, told["length"], 0)
    if told["limit"]:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (told["limit"], most))
    report = checkpoint.compress_checkpoint(source, config, "auto", Path(told["out"]), told["memory"])
    watch.enter("end")
    print(
        json.dumps({"stages": watch.stages, "bytes": report["run"]["bytes"], "measured": report["measured"]})
    )


if __name__ == "__main__":
    main()
