"""What the README says runs: its Python examples, and the commands and files it names."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from deep_check.cli import app as deep_check
from theory_sim.cli import app as theory_sim
from theory_sim.sweep.definition import parse_sweep

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
APPS = {"theory_sim": theory_sim, "deep_check": deep_check}
COMMANDS = re.findall(r"^ {4}python -m (theory_sim|deep_check) (.*?)(?: {2,}#.*)?$", README, re.MULTILINE)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_readme_example_runs(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLES[number], f"README example {number}", "exec"), {})
    assert capsys.readouterr().out.strip()


def test_readme_has_examples_and_commands() -> None:
    assert len(EXAMPLES) >= 2
    named = {(package, command.split()[0]) for package, command in COMMANDS}
    assert {name for package, name in named if package == "theory_sim"} == {
        "verify", "replay", "derive", "simulate", "sweep", "plot",
    }  # fmt: skip
    assert {name for package, name in named if package == "deep_check"} >= {"selftest", "info", "classify"}


@pytest.mark.parametrize(("package", "command"), COMMANDS)
def test_readme_command_has_only_options_that_exist(package: str, command: str) -> None:
    from typer.main import get_command

    name, *arguments = shlex.split(command, comments=True)
    command_of = get_command(APPS[package]).commands[name]  # type: ignore[attr-defined]
    known = {text for option in command_of.params for text in option.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


def test_readme_sweep_is_one() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    for text in (example, re.sub(r"^# (\[sample|n =|weight)", r"\1", example, flags=re.MULTILINE)):
        definition = parse_sweep(tomllib.loads(text))
        assert definition.n_points >= 3 * 2 * 12 * 16
        assert not definition.without_effect()
    assert "sample" in [dimension.name for dimension in definition.dimensions]


def test_files_that_the_readme_names_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
