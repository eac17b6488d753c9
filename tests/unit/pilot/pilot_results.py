"""Results for the report to show: made numbers, drawn from a seed."""

from __future__ import annotations

import numpy as np

from hola_plugins.pilot.results import (
    Accuracy,
    CrossDomain,
    Memory,
    Prices,
    Provenance,
    Request,
    Results,
    Retrieval,
    Stage,
)

TITLES = {
    "baseline": "Baseline",
    "hsd": "+ HSD",
    "adacomp": "+ AdaComp",
    "lobi": "+ Lo-Bi",
    "all": "+ intermediate level",
}
ADDS = {
    "baseline": "vLLM alone, four passages a question.",
    "hsd": "Hierarchical speculative decoding in vLLM.",
    "adacomp": "Retrieval whose depth follows the query.",
    "lobi": "The model compressed to 45 % of its bytes.",
    "all": "A compressed model as one more level of HSD.",
}


def requests(
    factor=1.0, prompts=80, repeats=8, tokens_in=300, seed=0, noise=0.03, outputs="a", searched=False
):
    """Latencies of prompts dealt to repeats, alike between stages but for a factor and some noise."""
    of_prompts = np.random.default_rng(0).lognormal(0.0, 0.5, prompts)
    draws = np.random.default_rng(seed + 1)
    found = []
    for repeat in range(repeats):
        for prompt in range(repeat, prompts, repeats):
            latency = float(of_prompts[prompt] * factor * np.exp(draws.normal(0.0, noise)))
            found.append(
                Request(
                    repeat=repeat,
                    prompt=f"p{prompt}",
                    category="maths" if prompt % 2 else "copy",
                    latency_s=latency,
                    first_token_s=latency * 0.1,
                    tokens_in=tokens_in + prompt,
                    tokens_out=80 + prompt % 7,
                    output=f"{outputs}{prompt}",
                    searched=searched,
                )
            )
    return tuple(found)


def rights(correct, questions=200, shift=0):
    """Which questions are answered rightly; a shift exchanges as many rights for wrongs and wrongs for rights."""
    return tuple((number + shift) % questions < correct for number in range(questions))


def accuracy(correct, questions=200, task="gsm8k", metric="exact_match", paired=True, shift=0):
    share = correct / questions
    return Accuracy(
        task=task,
        metric=metric,
        value=share,
        stderr=(share * (1 - share) / questions) ** 0.5,
        questions=questions,
        right=rights(correct, questions, shift) if paired else (),
    )


def stage(name="baseline", **parts):
    """A finished stage; whatever is given replaces what is made up."""
    made = {
        "name": name,
        "title": TITLES.get(name, name),
        "adds": ADDS.get(name, ""),
        "status": "done",
        "model": "models/target",
        "settings": {"vllm": {"dtype": "float32", "max_model_len": 2048}},
        "requests": requests(),
        "memory": Memory(weights=5_780_000, peak=1_020_000_000, checkpoint=5_800_000),
        "seconds": 312.0,
    }
    return Stage(**made | parts)


def failed(name, error="Traceback\nRuntimeError: the server did not start"):
    return Stage(name=name, title=TITLES[name], adds=ADDS[name], status="failed", error=error)


def provenance():
    return Provenance(
        command="hola pilot pilot.yaml",
        started="2026-01-02T03:04:05+00:00",
        finished="2026-01-02T03:44:05+00:00",
        versions={"vllm": "0.32.0", "langchain-core": "1.4.0", "hola-plugins": "0.1.0"},
        machine={"processor": "two cores", "memory": "24 GB", "accelerator": "none"},
        commit="1898e23",
        config_sha256="5f" * 32,
        added=("--no-enable-prefix-caching",),
    )


def results(*stages, **parts):
    made = {
        "title": "Manuals on two cores",
        "prompts": 80,
        "repeats": 8,
        "concurrency": 4,
        "stages": stages or full_stages(),
        "provenance": provenance(),
    }
    return Results(**made | parts)


def full_stages():
    """Five stages: HSD gains, AdaComp gains and sends less, Lo-Bi saves memory, the last one changes nothing."""
    draws = np.random.default_rng(5)
    hits = draws.random(60)
    baseline_recall = tuple(float(hit > 0.2) for hit in hits)
    adacomp_recall = tuple(
        float(hit > 0.2) for hit in np.where(draws.random(60) < 0.2, draws.random(60), hits)
    )
    fixed = Retrieval(
        recall=float(np.mean(baseline_recall)), tokens=412.0, skipped=0.0, queries=60, recalls=baseline_recall
    )
    adaptive = Retrieval(
        recall=float(np.mean(adacomp_recall)), tokens=171.5, skipped=0.1, queries=60, recalls=adacomp_recall
    )
    scores = (accuracy(124), accuracy(61, 150, "arc_challenge", "acc_norm"))
    compressed = (accuracy(121, shift=12), accuracy(59, 150, "arc_challenge", "acc_norm", shift=8))
    smaller = Memory(weights=2_570_000, peak=1_010_000_000, checkpoint=2_590_000)
    hsd = {"method": "custom_class", "model": "hola_plugins.vllm.HSDProposer", "num_speculative_tokens": 8}
    return (
        stage("baseline", accuracy=scores, retrieval=fixed),
        stage(
            "hsd",
            requests=requests(0.64, seed=1),
            accuracy=scores,
            retrieval=fixed,
            settings={"vllm": {"speculative-config": hsd}},
        ),
        stage(
            "adacomp",
            requests=requests(0.55, seed=2, tokens_in=120, outputs="b"),
            accuracy=(accuracy(126), accuracy(62, 150, "arc_challenge", "acc_norm")),
            retrieval=adaptive,
            settings={
                "vllm": {"speculative-config": hsd},
                "langchain": {"target_recall": 0.9, "token_budget": 400},
            },
        ),
        stage(
            "lobi",
            model="out/small",
            requests=requests(0.50, seed=3, tokens_in=120, outputs="c"),
            accuracy=compressed,
            retrieval=adaptive,
            memory=smaller,
            settings={
                "vllm": {"model": "out/small", "speculative-config": hsd},
                "langchain": {"target_recall": 0.9, "token_budget": 400},
                "hola compress": "hola compress models/target --out small --budget 45%",
            },
        ),
        stage(
            "all",
            model="out/small",
            requests=requests(0.503, seed=4, tokens_in=120, outputs="c"),
            accuracy=compressed,
            retrieval=adaptive,
            memory=smaller,
        ),
    )


def full_results(**parts):
    """Everything that a report can hold."""
    crossed = (
        CrossDomain(
            method="lobi",
            fitted_on="maths",
            measured_on="science",
            metric="acc_norm",
            value=0.39,
            reference=0.41,
            stderr=0.04,
            questions=150,
        ),
        CrossDomain(
            method="lobi",
            fitted_on="science",
            measured_on="maths",
            metric="exact_match",
            value=0.57,
            reference=0.62,
            stderr=0.035,
            questions=200,
        ),
    )
    prices = Prices(currency="EUR", machine_hour=0.42, million_tokens_in=0.1, million_tokens_out=0.4)
    return results(**{"cross_domain": crossed, "prices": prices} | parts)
