"""Rows of results.json in the ledger: read from the file alone, shown, written, and without a say in the exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deep_check.experiments.results import write_results
from tests.deep_check.experiments.test_results import ROW
from theory_sim.cli import main
from theory_sim.empirical import NOT_REPRODUCED

WORSE = replace(ROW, claim="fig4", figure="4", verdict=NOT_REPRODUCED)
FAST = ["verify", "--samples", "300", "--json", "l.json"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_results(tmp_path / "results.json", [ROW, WORSE])
    return tmp_path


def claims_of(folder: Path) -> list[dict]:
    return json.loads((folder / "l.json").read_text())["claims"]


def test_rows_of_the_file_are_rows_of_the_ledger(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [*FAST, "--claims", "eq8[relu],fig6", "--deep", "results.json"]
    assert main(arguments) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in (
        "fig6",
        "the paper: it helps",
        "tested: that it helps",
        "reproduced in part (n = 100). It helps.",
        "norm: l2; far",
        "0.4 ... 0.6",
        "measured on networks, as results.json has it: 1 reproduced in part",
    ):
        assert words in out, words
    theory, row = claims_of(folder)
    assert theory["claim"] == "eq8"
    assert row == {"kind": "empirical", **ROW.as_dict()}
    assert "fig4" not in out


def test_what_was_not_reproduced_leaves_the_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*FAST, "--claims", "fig4", "--deep", "results.json"]) == 0  # no theory is judged
    assert "not reproduced (n = 100)" in capsys.readouterr().out
    assert [row["claim"] for row in claims_of(folder)] == ["fig4"]
    assert main([*FAST, "--claims", "fig4,fig5", "--deep", "results.json"]) == 2
    assert "unknown claim 'fig5'" in capsys.readouterr().err


def test_without_the_file_nothing_is_measured(folder: Path) -> None:
    assert main([*FAST, "--claims", "eq8[relu]"]) == 0
    assert [row["claim"] for row in claims_of(folder)] == ["eq8"]
