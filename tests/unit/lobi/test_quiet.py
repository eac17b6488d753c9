"""What a C library prints is dropped, and nothing else."""

from __future__ import annotations

import os

import pytest

from hola_plugins.lobi.quiet import c_output_dropped


def test_only_what_is_written_meanwhile_is_dropped(capfd):
    print("before")
    with c_output_dropped():
        os.write(1, b"a line of a solver\n")
    print("after", flush=True)
    assert capfd.readouterr().out == "before\nafter\n"


def test_standard_output_comes_back_after_an_error(capfd):
    with pytest.raises(ZeroDivisionError), c_output_dropped():
        _ = 1 / 0
    os.write(1, b"here\n")
    assert capfd.readouterr().out == "here\n"


def test_a_process_without_standard_output_is_left_alone(capfd):
    kept = os.dup(1)
    os.close(1)
    try:
        with c_output_dropped():
            ran = True
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert ran
