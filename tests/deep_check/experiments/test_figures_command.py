"""`figures` on a small network and images: files, resumption, what is skipped, what is refused."""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deep_check import models
from deep_check.attacks import L2_BESIDE, Attack
from deep_check.cli import main
from deep_check.experiments import fig6, registry, table_accuracy
from deep_check.experiments.context import Context, MissingError
from deep_check.experiments.kept import Kept
from deep_check.experiments.results import NOT_REPRODUCED, REPRODUCED, VERDICTS, read_results
from deep_check.resnet import ResNet
from deep_check.training.observation import write_rows
from tests.deep_check.experiments.accuracies import small_files
from tests.deep_check.experiments.test_along_training import rows
from theory_sim.errors import InputError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A small network and images; two attack steps; nothing is shipped."""
    monkeypatch.setattr(models, "FOLDER", tmp_path / "nothing")
    brief = lambda *arguments, **changes: replace(Attack(*arguments, **changes), steps=2)  # noqa: E731
    monkeypatch.setattr(fig6, "Attack", brief)
    monkeypatch.setattr(fig6, "L2_BESIDE", replace(L2_BESIDE, steps=2))
    monkeypatch.setattr(table_accuracy, "Attack", brief)
    monkeypatch.setattr(fig6, "CUTOFFS", (1.0, 12.0, 22.0))
    return small_files(tmp_path)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longer than all the rest: files with a word in them instead."""

    def save(context: Context, name: str, figure: Any) -> tuple[str, ...]:
        names = (f"{name}.png", f"{name}.pdf")
        for target in names:
            (context.out / target).write_text("picture")
        return names

    monkeypatch.setattr(Context, "save_pictures", save)


def command(files: tuple[Path, Path], out: Path, *more: str, only: str = "fig6") -> list[str]:
    weights, data = files
    base = ["figures", "--only", only, "--weights", str(weights), "--data", str(data), "--out", str(out)]
    return [*base, "--partial", "--device", "cpu", "--quiet", *more]


def test_leaves_pictures_numbers_rows_and_a_manifest(files: tuple[Path, Path], tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other.npz"
    ResNet(8, "cpu", seed=2).save(other)
    assert main(command(files, out, "--weights", f"adversarial={other}", only="table_accuracy,fig6")) == 0
    rows = read_results(out / "results.json")
    assert [row.claim for row in rows] == ["fig6", "table_accuracy"]
    for row in rows:
        assert row.verdict in VERDICTS
        assert row.data["n"] == row.n == 40
        assert row.weights["normal"]["file"] == "net.safetensors"
        assert row.identity["scale"] == "quick"
        assert row.provenance["device"] == "cpu"
        assert row.provenance["commit"]
        assert all((out / name).stat().st_size > 1000 for name in row.pictures)
    assert set(rows[1].weights) == {"normal", "adversarial"}
    lines = list(csv.DictReader((out / "table_accuracy.csv").read_text().splitlines()))
    assert len(lines) == 2 * len(table_accuracy.CELLS)
    manifest = json.loads((out / "figures.manifest.json").read_text())
    assert {"configuration", "seed", "versions", "hardware", "commit", "data", "weights", "files"} <= set(manifest)
    assert manifest["data"]["digest"] == rows[0].data["digest"]
    for name in manifest["files"]:
        assert (out / name).is_file()


@pytest.mark.usefixtures("undrawn")
def test_goes_on_and_measures_nothing_twice(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main(command(files, whole)) == 0
    run, calls = fig6.run_attack, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(fig6, "run_attack", interrupted)
    assert main(command(files, cut)) == 130
    assert not (cut / "results.json").exists()
    assert main(command(files, cut)) == 0
    assert (cut / "fig6.csv").read_bytes() == (whole / "fig6.csv").read_bytes()
    again = read_results(cut / "results.json")
    assert again[0].measured == read_results(whole / "results.json")[0].measured
    done = len(calls)
    capsys.readouterr()
    assert main(command(files, cut)) == 0
    assert len(calls) == done
    assert "(measured before)" in capsys.readouterr().out
    (cut / "fig6.png").unlink()
    assert main(command(files, cut)) == 0  # drawn again, from the rows that are there
    assert len(calls) == done
    assert (cut / "fig6.png").exists()


@pytest.mark.usefixtures("undrawn")
def test_the_manifest_is_that_of_all_rows(files: tuple[Path, Path], tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other.npz"
    ResNet(8, "cpu", seed=2).save(other)
    assert main(command(files, out, "--weights", f"adversarial={other}", only="table_accuracy")) == 0
    assert main(command(files, out)) == 0
    manifest = json.loads((out / "figures.manifest.json").read_text())
    assert {path.partition(".")[0] for path in manifest["files"]} == {"results", "fig6", "table_accuracy"}
    assert manifest["weights"]["adversarial"]["file"] == "other.npz"
    assert set(manifest["weights"]) == {"normal", "adversarial"}
    assert manifest["configuration"]["only"] == "fig6"


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_is_skipped_in_one_line(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(files, tmp_path / "out", only="fig6,table_accuracy")) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "skipped: " in line]
    assert len(lines) == 1
    assert "table_accuracy: skipped: no weights of the adversarial network" in lines[0]
    assert main(command(files, tmp_path / "none", only="table_accuracy")) == 2
    assert "nothing could be measured" in capsys.readouterr().err


@pytest.mark.usefixtures("undrawn")
def test_a_folder_holds_one_runs_results(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(command(files, out)) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    five = tmp_path / "five.npz"
    ResNet(8, "cpu", seed=5).save(five)
    for more, words in (
        (["--scale", "paper"], "scale quick there, paper asked for"),
        (["--seed", "1"], "seed 0 there, 1 asked for"),
    ):
        capsys.readouterr()
        assert main(command(files, out, *more)) == 2
        assert words in capsys.readouterr().err
    assert main(command((five, files[1]), out)) == 2
    assert "weights of normal" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in out.iterdir()} == before


@pytest.mark.usefixtures("undrawn")
def test_a_folder_of_the_other_command_is_refused_in_one_line(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, data = files
    out, other = tmp_path / "out", tmp_path / "other"
    there = ["--weights", str(weights), "--data", str(data), "--partial", "--device", "cpu", "--quiet", "--out"]
    spectrum = ["spectrum", *there, str(out), "--images", "4", "--steps", "1", "--no-effects", "--trained"]
    assert main([*spectrum, "mse"]) == 0
    row = read_results(out / "results.json")[0]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:16]
    assert row.identity["weights"] == {"mse": digest}  # one form for both
    assert main(command(files, other)) == 0
    assert read_results(other / "results.json")[0].identity["weights"] == {"normal": digest}
    spectrum[spectrum.index(str(out))] = str(other)
    for arguments, words in (
        (command(files, out), "(fig7: scale none there, quick asked for; "),
        ([*spectrum, "normal"], "(fig6: settings none there, others asked for; scale quick there, none asked for)"),
    ):
        capsys.readouterr()
        assert main(arguments) == 2
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert words in told
    content = json.loads((other / "results.json").read_text())
    content["rows"][0]["identity"]["weights"] = "a text"
    (other / "results.json").write_text(json.dumps(content))
    assert main(command(files, other)) == 2
    assert "weights a text there, others asked for" in capsys.readouterr().err
    assert main([*spectrum, "mse"]) == 0  # rows of networks that it does not measure are no part of the run
    claims = ["fig6", "fig7", "fig8", "fig9", "fig10"]
    assert [row.claim for row in read_results(other / "results.json")] == claims
    listed = json.loads((other / "spectrum.manifest.json").read_text())["files"]
    assert {name.partition(".")[0] for name in listed} == {"results", *claims}


@pytest.mark.usefixtures("undrawn")
def test_other_observations_or_another_device_are_measured_again(tmp_path: Path) -> None:
    """Of Figs. 2 and 11, whose numbers are those of the files beside the weights."""
    weights, data = small_files(tmp_path)
    observed = tmp_path / "observed.csv"
    write_rows(observed, rows(0.2))
    context = Context(data, tmp_path / "out", "quick", "cpu", partial=True, weights={"normal": weights})
    experiment = registry.EXPERIMENTS["fig2"]

    def kept() -> Kept:
        return Kept(context, {"scale": "quick"}, models.ROLES)

    first = kept().measure(experiment, lambda: experiment.run(context))
    assert first.verdict == REPRODUCED
    assert kept().find(experiment) == first
    write_rows(observed, rows(-0.2))
    assert kept().find(experiment) is None
    assert kept().measure(experiment, lambda: experiment.run(context)).verdict == NOT_REPRODUCED
    assert kept().find(experiment) is not None
    write_rows(tmp_path / "observed-linear.csv", rows(0.2))  # of another reading
    assert kept().find(experiment) is None
    kept().measure(experiment, lambda: experiment.run(context))
    assert kept().find(experiment) is not None
    context.device = "cuda"
    assert kept().find(experiment) is None
    observed.unlink()
    with pytest.raises(MissingError, match="no observations"):
        kept().find(experiment)
    context.seed = 1
    with pytest.raises(InputError, match="fig2: seed 0 there, 1 asked for"):
        kept()


@pytest.mark.parametrize(
    ("more", "only", "words"),
    [
        ((), "fig66", "unknown experiment 'fig66': allowed are ids of figures, near: fig6"),
        (("--scale", "huge"), "fig6", "scale 'huge': allowed are quick, paper"),
        (("--weights", "best=x.npz"), "fig6", "--weights best=x.npz: allowed is ROLE=FILE"),
        (("--weights", "normal=x.npz"), "fig6", "each role once"),
        (("--weights", "mse=nowhere.npz"), "fig6", "no such weights file: nowhere.npz"),
        (("--weights", "mse=NET"), "fig6", "--weights of mse: allowed are those that fig6 uses: normal"),
        (("--seed", "-1"), "fig6", "seed -1"),
        (("--out", "/dev/null"), "fig6", "--out /dev/null is no folder: allowed is a folder"),
        (("--device", "tpu"), "fig6", "tpu"),
    ],
)
def test_mistakes_are_one_line(
    files: tuple[Path, Path], tmp_path: Path, more: tuple[str, ...], only: str, words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    more = tuple(text.replace("NET", str(files[0])) for text in more)
    assert main(command(files, tmp_path / "out", *more, only=only)) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert words in told
    assert not (tmp_path / "out").exists()


def test_every_experiment_says_what_it_needs() -> None:
    for experiment in registry.choose(None):
        assert experiment.needs
        assert set(experiment.needs) <= set(models.ROLES)
        assert len(experiment.code) == 16
        assert callable(experiment.run)
