"""Fig. 6 as a user runs it: rows, resumption, pictures, and what is refused; real weights where they are."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deep_check import models
from deep_check.attacks import Attack
from deep_check.cli import main
from deep_check.experiments import fig6
from deep_check.experiments.fig6_picture import Panel, draw, panels_of
from deep_check.experiments.options import number, numbers, words
from deep_check.resnet import ResNet
from tests.deep_check.experiments.accuracies import small_files
from tests.deep_check.test_real_weights import BESIDE
from theory_sim.errors import InputError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return small_files(tmp_path)


def command(files: tuple[Path, Path], out: Path, *more: str) -> list[str]:
    weights, data = files
    base = ["filter", "--weights", str(weights), "--data", str(data), "--out", str(out), "--device", "cpu", "--quiet"]
    return [*base, "--partial", "--steps", "2", "--cutoffs", "4,12", *more]


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "fig6.csv").read_text().splitlines()))


def drawn_rows() -> list[dict[str, str]]:
    """As of `fig6.measure`, with levels without a filter at both ends of the accuracy axis."""
    shares = {("", "none"): 1.0, ("", "blind"): 0.0, ("4", "none"): 0.4, ("12", "none"): 0.8, ("4", "blind"): 0.3,
              ("12", "blind"): 0.5}  # fmt: skip
    return [
        {"cutoff": cutoff, "attacker": attacker, "norm": "" if attacker == "none" else "linf",
         "mask": "disc" if cutoff else "", "accuracy": str(share), "n": "40", "low": str(max(0, share - 0.1)),
         "high": str(min(1, share + 0.1))}
        for (cutoff, attacker), share in shares.items()
    ]  # fmt: skip


def test_the_papers_numbers_are_drawn_in_its_own_setting_alone() -> None:
    rows = [row | {"mask": mask} for row in drawn_rows() for mask in ("disc", "square")]
    found = {(p.norm, p.mask): p.paper for p in panels_of(rows, {"linf": "8/255", "l2": "0.5"})}
    assert found == {("linf", "disc"): True, ("l2", "disc"): False, ("linf", "square"): False, ("l2", "square"): False}
    assert not any(panel.paper for panel in panels_of(rows, {"linf": "4/255"}))


def test_the_picture_says_what_its_bands_lines_and_crosses_are() -> None:
    panels = [Panel("one", drawn_rows(), "linf", "disc"), Panel("two", drawn_rows(), "linf", "disc", paper=False)]
    figure = draw(panels, "title")
    figure.canvas.draw()
    words = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    for part in ("95 % interval", "no filter", "the paper's network"):
        assert part in words, part
    colours = {line.get_color() for line in figure.axes[0].lines if line.get_marker() == "x"}
    assert len(colours) == 2  # clean and attacked can be told apart
    assert not any(line.get_marker() == "x" for line in figure.axes[1].lines)
    labels = [text for text in figure.axes[0].texts if text.get_text().startswith("no filter")]
    assert sorted(text.get_text() for text in labels) == ["no filter\n0.0%", "no filter\n100.0%"]
    right = figure.axes[0].get_window_extent().x1
    assert all(text.get_window_extent().x0 > right for text in labels)  # neither on curves nor on the title


def test_rows_are_those_asked_for(files: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(command(files, out, "--norms", "linf,l2", "--masks", "disc,square")) == 0
    rows = table(out)
    assert tuple(rows[0]) == fig6.COLUMNS
    keys = [tuple(row[name] for name in fig6.KEY) for row in rows]
    assert len(set(keys)) == len(keys)
    filters = [(cutoff, mask) for mask in ("disc", "square") for cutoff in ("4", "12")]
    expected = {("", "none", "", ""), *((c, "none", "", m) for c, m in filters)}
    for norm in ("linf", "l2"):
        expected |= {("", "blind", norm, "")} | {(c, a, norm, m) for c, m in filters for a in ("blind", "aware")}
    assert set(keys) == expected
    for row in rows:
        assert int(row["n"]) == 40
        assert 0 <= float(row["low"]) <= float(row["accuracy"]) <= float(row["high"]) <= 1
    for name in ("fig6.png", "fig6.pdf", "fig6.json"):
        assert (out / name).stat().st_size > 100
    assert json.loads((out / "fig6.json").read_text())["identity"]["attacks"]["linf"]["steps"] == 2
    manifest = json.loads((out / "filter.manifest.json").read_text())
    assert manifest["configuration"]["attacks"]["l2"]["radius"] == 0.5
    assert manifest["data"]["n"] == 40
    assert manifest["weights"]["normal"]["file"] == "net.safetensors"
    assert {"seed", "versions", "hardware", "commit", "seconds"} <= set(manifest)


def test_goes_on_where_it_was_and_ends_in_the_same_rows(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main(command(files, whole)) == 0
    run, calls = fig6.run_attack, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(fig6, "run_attack", interrupted)
    assert main(command(files, cut)) == 130
    there = table(cut)
    assert 0 < len(there) < len(table(whole))
    calls.clear()
    assert main(command(files, cut)) == 130  # the second attack again
    calls[:] = [1, 1]
    assert main(command(files, cut)) == 0
    assert table(cut) == table(whole)
    calls.clear()
    assert main(command(files, cut)) == 0
    assert not calls  # nothing is measured twice


def test_another_measurement_is_refused(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(files, out, "--attacker", "blind")) == 0
    assert {row["attacker"] for row in table(out)} == {"none", "blind"}
    assert main(command(files, out, "--attacker", "blind", "--radius", "4/255")) == 2
    assert "is of another measurement" in capsys.readouterr().err
    (out / "fig6.json").write_text("{")
    assert main(command(files, out)) == 2
    assert "is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--cutoffs", "0:24"], "--cutoffs '0:24': allowed is first:last, whole numbers in 0 ... 23"),
        (["--cutoffs", "9:3"], "--cutoffs '9:3'"),
        (["--cutoffs", "3,3"], "each number once"),
        (["--radius", "8/0"], "--radius '8/0'"),
        (["--radius", "2"], "--radius '2': allowed is 0 ... 1,"),
        (["--step-size", "0"], "--step-size '0': allowed is above 0, up to 1,"),
        (["--l2-step-size", "nan"], "--l2-step-size 'nan': allowed is above 0, up to 100,"),
        (["--limit", "41"], "limit 41: allowed is 1 ... 40"),
        (["--norms", "l1"], "--norms 'l1': allowed are linf, l2"),
        (["--masks", "ring"], "--masks 'ring'"),
        (["--attacker", "deaf"], "attacker 'deaf'"),
        (["--steps", "0"], "steps 0"),
        (["--limit", "0"], "limit 0"),
    ],
)
def test_mistakes_are_one_line(
    files: tuple[Path, Path], tmp_path: Path, more: Sequence[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(files, tmp_path / "out", *more)) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert words in told


def test_the_shipped_network_is_the_default(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(files, tmp_path / "out")
    del arguments[arguments.index("--weights") : arguments.index("--weights") + 2]
    monkeypatch.setattr(models, "FOLDER", tmp_path / "models")
    assert main(arguments) == 2
    assert "no normal network comes with this installation" in capsys.readouterr().err
    (tmp_path / "models").mkdir()
    files[0].rename(tmp_path / "models" / "normal.safetensors")
    assert main(arguments) == 0
    assert len(table(tmp_path / "out")) == 8


def test_the_aware_attacker_at_some_cutoffs_only(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Settings of the figure: some cut-offs, and an attacker who stops once an image is fooled is not weaker."""
    from deep_check.data import read_test_images

    net = ResNet.from_file(files[0], "cpu")
    images, labels, _ = read_test_images(files[1], partial=True)
    settings = fig6.Settings((4.0, 12.0), {"linf": Attack(steps=3)}, aware_cutoffs={("linf", "disc"): (12.0,)})
    told: list[tuple[int, int]] = []
    rows = fig6.measure(net, images, labels, settings, tmp_path, {}, lambda *counts: told.append(counts), "some")
    assert [row["cutoff"] for row in rows if row["attacker"] == "aware"] == ["12"]
    assert (tmp_path / "some.csv").exists()
    assert told[-1] == (2 * 3 * 40, 2 * 3 * 40)  # one blind attack, one aware
    stopping = replace(settings, aware_early_stop=True)
    found = fig6.measure(net, images, labels, stopping, tmp_path, {}, name="stopping")
    assert float(found[-1]["accuracy"]) <= float(rows[-1]["accuracy"])


def test_numbers_and_words_of_the_command_line() -> None:
    assert number("radius", "8/255") == 8 / 255
    assert numbers("cutoffs", "1:4", 23) == (1.0, 2.0, 3.0, 4.0)
    assert numbers("cutoffs", "2.5,7", 23) == (2.5, 7.0)
    assert words("norms", "l2, linf", ("linf", "l2")) == ("l2", "linf")
    for text in ("1e999", "nan", "inf", "", "8/0", "0x8"):
        with pytest.raises(InputError, match="number or a fraction"):
            number("radius", text)


def test_the_attacker_who_knows_the_filter_undoes_it_on_real_images(cifar10_dir: Path, tmp_path: Path) -> None:
    """The paper's defence on a public network: it stands while the attacker is blind, and falls when not."""
    if not BESIDE.exists():
        pytest.skip(f"{BESIDE.name} is not beside the project: no public weights to attack")
    from deep_check.data import read_test_images

    images, labels, _ = read_test_images(cifar10_dir, partial=True, limit=96)
    net = ResNet.from_file(BESIDE, "cpu")
    settings = fig6.Settings((12.0,), {"linf": Attack(steps=10)})
    rows = fig6.measure(net, images, labels, settings, tmp_path, {})
    share = {(row["attacker"], row["cutoff"]): float(row["accuracy"]) for row in rows}
    low = {(row["attacker"], row["cutoff"]): float(row["low"]) for row in rows}
    high = {(row["attacker"], row["cutoff"]): float(row["high"]) for row in rows}
    assert share["none", ""] > 0.85
    assert high["blind", ""] < 0.1
    assert low["blind", "12"] > high["blind", ""]  # the filter helps against who does not know it
    assert high["aware", "12"] < low["blind", "12"]  # and not against who does
    assert np.isclose(low["none", "12"], share["none", "12"], atol=0.15)
