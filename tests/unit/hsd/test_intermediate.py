"""The intermediate level inside the hierarchy, on outputs of the embedded target."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from fake_runner import FakeRunner, Replay

from hola_plugins.hsd.config import HSDConfig
from hola_plugins.hsd.control import DraftControl
from hola_plugins.hsd.drafter import HierarchicalDrafter, tracked_requests
from hola_plugins.hsd.intermediate import IntermediateLevel
from hola_plugins.hsd.sanitiser import DraftLimits
from hola_plugins.hsd.warm_up import compile_kernels
from hola_plugins.hsd.windowed_model import WindowedModel

MODELS = Path(__file__).parents[2] / "models"
PROMPTS = (
    "Q: Sam has 12 books and buys 7 more. Then he gives 2 books to a friend. How many books has Sam now?\nA:",
    "Tom found a small grey stone in the garden. He",
    "One day Mia and her brother walked to the lake.",
    "In the morning the ship left the harbour and",
)
"""Stories and maths, in which the target does not repeat itself at once: lookups alone foresee little."""

ROWS, LENGTH, LONGEST = 4, 512, 6


@pytest.fixture(scope="module")
def replays() -> list[tuple[list[int], int]]:
    """Greedy continuations by the target, as tokens and prompt length."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODELS / "target")
    target = transformers.AutoModelForCausalLM.from_pretrained(MODELS / "target", dtype=torch.float32).eval()
    made = []
    for prompt in PROMPTS:
        start = tokenizer(prompt, return_tensors="pt").input_ids
        whole = target.generate(start, max_new_tokens=96, do_sample=False, pad_token_id=0)
        made.append((whole[0].tolist(), start.shape[1]))
    return made


def drafter(
    levels: tuple[str, ...] = ("request", "transitions"), *, clocks: bool = False, **intermediate: object
) -> HierarchicalDrafter:
    chosen = {"model": str(MODELS / "draft"), "window": 256, "requests": 4, **intermediate}
    rest = {"deadline_ms": 1000.0, "control": {"mode": "static"}} if clocks else {"deterministic": True}
    config = HSDConfig.model_validate({"levels": levels, "intermediate": chosen, **rest})
    vocabulary = transformers.AutoConfig.from_pretrained(MODELS / "target").vocab_size
    limits = DraftLimits(LONGEST, vocabulary, LENGTH)
    judge = None
    if chosen["model"] is not None:
        model = WindowedModel(config.intermediate, vocabulary, str(MODELS / "target"))
        compile_kernels(config, limits, model)
        judge = IntermediateLevel(config.intermediate, model, tracked_requests(config, ROWS))
    return HierarchicalDrafter(config, limits, ROWS, judge=judge)


def serve(
    made: HierarchicalDrafter, replays: list[tuple[list[int], int]], **disturbance: object
) -> FakeRunner:
    runner = FakeRunner(made, ROWS, LENGTH, 1 << 20, LONGEST)
    runner.run([Replay(list(tokens), prompt) for tokens, prompt in replays], **disturbance)
    assert made.snapshot()["errors"] == 0
    return runner


def test_the_level_adds_accepted_tokens(replays) -> None:
    without = serve(drafter(model=None), replays)
    made = drafter()
    runner = serve(made, replays)
    assert runner.emitted / runner.steps > 1.1 * without.emitted / without.steps
    counts = made.snapshot()["levels"]["intermediate"]
    assert counts["accepted"] > 0 and counts["matched"] <= counts["judged"]


def test_the_target_itself_is_right_wherever_it_judges(replays) -> None:
    made = drafter(model=str(MODELS / "target"))
    runner = serve(made, replays)
    counts = made.snapshot()["levels"]["intermediate"]
    assert counts["judged"] > 50
    assert counts["matched"] == counts["judged"]
    assert runner.emitted / runner.steps > 2.0


def test_moves_preemption_gaps_and_chunks_change_nothing_but_drafts(replays) -> None:
    runner = serve(drafter(), replays * 2, seed=5, trouble=0.2, chunk=7)
    assert runner.emitted == sum(len(tokens) - prompt for tokens, prompt in replays * 2)
    assert runner.emitted / runner.steps > 1.3


def test_fewer_lanes_than_requests_serve_some_of_them(replays) -> None:
    made = drafter(requests=1)
    serve(made, replays)
    assert made.snapshot()["levels"]["intermediate"]["accepted"] > 0


def test_a_window_shorter_than_the_request_moves(replays) -> None:
    tokens, prompt = replays[0]
    made = drafter(window=128, prompt_tokens=16)
    runner = serve(made, [(tokens * 3, prompt)])
    assert runner.emitted == 3 * len(tokens) - prompt
    assert made.snapshot()["levels"]["intermediate"]["judged"] > 30


def test_equal_tokens_give_equal_drafts(replays) -> None:
    steps = {serve(drafter(), replays, seed=2, trouble=0.1).steps for _ in range(2)}
    assert len(steps) == 1


def judged(replays: list[tuple[list[int], int]], monkeypatch, token_seconds: float) -> int:
    """Gives how many tokens were judged where a token is worth so much time."""
    monkeypatch.setattr(DraftControl, "token_seconds", property(lambda _: token_seconds))
    made = drafter(clocks=True)
    serve(made, replays)
    return made.snapshot()["levels"]["intermediate"]["judged"]


def test_a_context_is_read_where_that_pays_and_else_one_at_a_time_to_try_the_level(
    replays, monkeypatch
) -> None:
    long = [(tokens * 3, prompt) for tokens, prompt in replays]
    dear, cheap = judged(long, monkeypatch, 1.0), judged(long, monkeypatch, 1e-9)
    assert 0 < cheap < 0.1 * dear
