"""Calibration data: what is missing is named, what is kept for measuring is not fitted on."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from hola_plugins.lobi.calibration import Batch, divide, every_nth_row, read_calibration
from hola_plugins.lobi.config import LoBiError


def rows(count, length=8):
    return [{"input_ids": torch.arange(length) + place} for place in range(count)]


@pytest.mark.parametrize("loader", [None, [], rows(1), rows(5, length=1)])
def test_too_little_text_is_refused(loader):
    with pytest.raises(LoBiError, match="at least 2"):
        read_calibration(loader, 128, 0.25)


def test_text_that_is_not_tokenised_is_refused():
    with pytest.raises(LoBiError, match="got str"):
        read_calibration(["hello"], 128, 0.25)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 16, 17])
def test_every_row_is_fitted_on_or_held_out(count):
    text = read_calibration(rows(count), 128, 0.25)
    fitting = {int(row[0]) for batch in text.fitting for row in batch.ids}
    held_out = {int(row[0]) for batch in text.held_out for row in batch.ids}
    assert fitting and held_out
    assert not fitting & held_out
    assert len(fitting | held_out) == count


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4, 0.45, 0.6, 0.9, 0.99])
def test_as_many_rows_are_held_out_as_asked(share):
    fitting, held_out = divide(list(range(100)), share)
    assert len(held_out) == round(100 * share)
    assert sorted(fitting + held_out) == list(range(100))


@pytest.mark.parametrize("count", [2, 8, 17])
def test_rows_that_were_divided_before_give_the_same_text(count):
    given = [*rows(count), *rows(2, length=12)]
    text, again = read_calibration(given, 128, 0.25), read_calibration(*_divided(given))
    for part, other in ((text.fitting, again.fitting), (text.held_out, again.held_out)):
        assert [batch.ids.tolist() for batch in part] == [batch.ids.tolist() for batch in other]


def _divided(given):
    fitting, kept = divide(given, 0.25)
    assert len(fitting) + len(kept) == len(given)
    return fitting, 128, 0.25, 1, kept


def test_no_more_rows_than_asked_are_read():
    text = read_calibration(rows(50), 10, 0.5)
    assert sum(len(batch.ids) for batch in (*text.fitting, *text.held_out)) == 10


def test_padding_is_not_predicted():
    padded = {"input_ids": torch.arange(6)[None], "attention_mask": torch.tensor([[0, 0, 1, 1, 1, 0]])}
    text = read_calibration([padded, padded], 4, 0.5)
    assert text.fitting[0].labels().tolist() == [3, 4]


@pytest.mark.parametrize(
    ("rows_a_batch", "tokens"), [((8, 8, 8), 40), ((1, 2, 1, 1), 10), ((5,), 1), ((3, 4), 1000)]
)
def test_every_nth_row_comes_from_all_over_the_text(rows_a_batch, tokens):
    numbers = iter(range(100))
    batches = [
        Batch(torch.tensor([[next(numbers)] * 5 for _ in range(rows)]), torch.ones(rows, 5))
        for rows in rows_a_batch
    ]
    chosen = [int(row[0]) for batch in every_nth_row(batches, tokens) for row in batch.ids]
    step = max(1, 5 * sum(rows_a_batch) // tokens)
    assert chosen == list(range(0, sum(rows_a_batch), step))
