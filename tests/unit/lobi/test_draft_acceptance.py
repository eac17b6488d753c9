"""Acceptance from one pass is what speculative decoding accepts, and the payoff is Leviathan's formula."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from small_models import TARGET, target

from hola_plugins.lobi.calibration import Batch
from hola_plugins.lobi.draft.acceptance import LENGTHS, Acceptance, measure_acceptance, tokens_a_step
from hola_plugins.lobi.draft.answers import Answer, answer_prompts, batch_answers
from hola_plugins.lobi.draft.cost import Cost, measure_costs
from hola_plugins.lobi.draft.payoff import expect_payoff, verdict

PROMPTS = ["Once upon a time", "Question: Tom has 3 apples and buys 4 more. How many has he?\nAnswer:", "The"]


@pytest.fixture(scope="module")
def models():
    draft = transformers.AutoModelForCausalLM.from_pretrained(TARGET.parent / "draft", dtype=torch.float32)
    return target(), draft.eval()


@pytest.fixture(scope="module")
def prompts():
    tokenizer = transformers.AutoTokenizer.from_pretrained(TARGET)
    return [tokenizer(prompt)["input_ids"] for prompt in PROMPTS]


def likeliest(model, ids):
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].argmax(-1).tolist()


def test_answers_in_a_batch_are_those_of_a_token_at_a_time(models, prompts):
    whole, _ = models
    for prompt, answer in zip(prompts, answer_prompts(whole, prompts, 24), strict=True):
        ids = list(prompt)
        while len(ids) < len(prompt) + 24 and ids[-1] != whole.config.eos_token_id:
            ids.append(likeliest(whole, ids)[-1])
        assert answer == Answer(ids, len(prompt))


@pytest.mark.parametrize("setting", ["repetition_penalty", "no_repeat_ngram_size", "bad_words_ids"])
def test_answers_are_the_likeliest_tokens_whatever_the_model_asks_of_generation(models, prompts, setting):
    plain = answer_prompts(models[0], prompts, 24)
    whole = target()
    asks = {"repetition_penalty": 3.0, "no_repeat_ngram_size": 2, "bad_words_ids": [[plain[0].ids[-2]]]}
    setattr(whole.generation_config, setting, asks[setting])
    assert answer_prompts(whole, prompts, 24) == plain
    assert getattr(whole.generation_config, setting) == asks[setting]


def decode_speculatively(whole, draft, prompt, total, length):
    """Drafts and verifies token by token; gives the text and the number of the target's steps after the prompt."""
    ids, steps = [*prompt, likeliest(whole, prompt)[-1]], 0
    while len(ids) < total:
        drafted = list(ids)
        for _ in range(length):
            drafted.append(likeliest(draft, drafted)[-1])
        own = likeliest(whole, drafted)
        accepted = 0
        while accepted < length and drafted[len(ids) + accepted] == own[len(ids) + accepted - 1]:
            accepted += 1
        ids = [*drafted[: len(ids) + accepted], own[len(ids) + accepted - 1]]
        steps += 1
    return ids[:total], steps


@pytest.mark.parametrize("length", [1, 3, 8])
def test_acceptance_is_that_of_speculative_decoding(models, prompts, length):
    whole, draft = models
    answers = answer_prompts(whole, prompts, 32)
    tokens = steps = 0
    for answer in answers:
        text, taken = decode_speculatively(whole, draft, answer.ids[: answer.prompt], len(answer.ids), length)
        assert text == answer.ids
        tokens, steps = tokens + len(answer.ids) - answer.prompt - 1, steps + taken
    found = measure_acceptance(draft, batch_answers(answers, 2, 4096))
    assert found.tokens == tokens
    assert found.lengths[length] == pytest.approx(tokens / steps)
    assert 0 < found.rate < 1


def test_a_target_accepts_all_of_itself(models, prompts):
    whole, _ = models
    found = measure_acceptance(whole, batch_answers(answer_prompts(whole, prompts, 32), 8, 4096))
    assert found.rate == 1


@given(st.lists(st.lists(st.booleans(), min_size=1), min_size=1), st.sampled_from(LENGTHS))
def test_longer_drafts_never_accept_less(rows, length):
    tokens = tokens_a_step(rows, length)
    assert 1 <= tokens <= length + 1
    assert tokens_a_step([[True] * 90], length) == pytest.approx(length + 1, abs=length / 10)
    assert tokens_a_step([[False] * len(row) for row in rows], length) == 1


def test_batches_hold_every_answer_once():
    answers = [Answer(list(range(1, length + 1)), length // 2) for length in (3, 9, 4, 30, 8)]
    batches = batch_answers(answers, 2, 32)
    assert all(batch.text.ids.numel() <= 32 for batch in batches)
    rows = [
        row[mask.bool()].tolist() for b in batches for row, mask in zip(b.text.ids, b.text.mask, strict=True)
    ]
    assert sorted(rows) == sorted(answer.ids for answer in answers)
    assert sum(int(batch.drafted.sum()) for batch in batches) == sum(
        len(answer.ids) - answer.prompt - 1 for answer in answers
    )
    assert all(isinstance(batch.text, Batch) for batch in batches)


@pytest.mark.parametrize("rate", [0.3, 0.8])
@pytest.mark.parametrize("draft_cost", [0.05, 0.5])
def test_the_payoff_is_the_published_formula(rate, draft_cost):
    lengths = {length: (1 - rate ** (length + 1)) / (1 - rate) for length in LENGTHS}
    payoff = expect_payoff(Acceptance(rate, lengths, 1), Cost(draft_cost, draft_cost), Cost(1.0, 1.0))
    for length, times in payoff.speedups.items():
        assert times == pytest.approx((1 - rate ** (length + 1)) / ((1 - rate) * (length * draft_cost + 1)))
    assert payoff.best == max(payoff.speedups.values())
    assert verdict(payoff).startswith(
        "Likely" if payoff.best >= 1.1 else ("May" if payoff.best > 1 else "Not")
    )


def test_verifying_that_costs_makes_long_drafts_pay_less():
    lengths = {length: 1 + 0.7 * length for length in LENGTHS}
    free, dear = (
        expect_payoff(Acceptance(0.7, lengths, 1), Cost(0.1, 0.1), Cost(1.0, many)) for many in (1.0, 4.5)
    )
    assert dear.speedups[7] == pytest.approx((1 + 0.7 * 7) / (0.7 + 4.5))
    assert dear.speedups[8] < free.speedups[8]


def test_costs_are_times_of_forward_passes(models):
    costs = measure_costs(models)
    assert all(cost.one > 0 and cost.many > 0 for cost in costs)
