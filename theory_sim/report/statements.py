"""What each claim says, in mathematics: the entries of statements.toml, one an id of the ledger."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from theory_sim.report.mathematics import to_html


class Statement(NamedTuple):
    """title: plain text; printed, follows: HTML with MathML, "" where there is none."""

    title: str
    printed: str
    follows: str


@cache
def statements() -> dict[str, Statement]:
    """By claim id."""
    text = files("theory_sim.report").joinpath("statements.toml").read_text(encoding="utf-8")
    return {
        name: Statement(entry["title"], to_html(entry.get("printed", "")), to_html(entry.get("follows", "")))
        for name, entry in tomllib.loads(text).items()
    }
