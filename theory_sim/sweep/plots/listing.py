"""`--values`: what can be drawn of a sweep, and over what."""

from __future__ import annotations

from collections.abc import Iterator

import xarray as xr
from rich import box
from rich.console import Console
from rich.table import Table

from theory_sim.sweep.plots.labels import key_label, value_text
from theory_sim.sweep.plots.quantities import DERIVED, JUDGED, labels, meanings, names, parameters, swept
from theory_sim.sweep.plots.selection import coordinate
from theory_sim.sweep.schema import CLAIM, FREQUENCY, RECORD, VERSION

ALL = 4  # values of a parameter up to which all are named
Row = tuple[str, str, str, str]


def print_values(out: Console, dataset: xr.Dataset) -> None:
    """A table of the names that options take: meaning, units, dimensions beyond those swept."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False)
    for name in ("name", "meaning", "units", "along"):
        table.add_column(name, no_wrap=name == "name", overflow="fold")
    for group, rows in _groups(dataset).items():
        if rows:
            table.add_section()
            table.add_row(f"[bold]{group}[/bold]")
            for row in rows:
                table.add_row(*row)
    out.print(table, highlight=False)


def _groups(dataset: xr.Dataset) -> dict[str, list[Row]]:
    parts: dict[str, list[Row]] = {"numbers": [], "records": [], "spectra": [], "verdicts and hypotheses": []}
    for name in names(dataset):
        if name in DERIVED or ":" in name:
            continue
        variable = dataset[name]
        beyond = [str(dim) for dim in variable.dims if dim not in swept(dataset)]
        units = str(variable.attrs.get("units", "1"))
        meaning = str(variable.attrs.get("long_name", ""))
        row = name, _plain(meaning), "" if units == "1" else units, ", ".join(beyond)
        group = "spectra" if FREQUENCY in beyond else "records" if RECORD in beyond else "numbers"
        parts["verdicts and hypotheses" if name in JUDGED else group].append(row)
        if name in JUDGED:
            parts["verdicts and hypotheses"].append((f"{name}:CLAIM:VERSION", "of one claim, as stated", "", ""))
    judged = [("  CLAIM", CLAIM), ("  VERSION", VERSION)]
    words = [(name, ", ".join(labels(dataset, dim)), "", "") for name, dim in judged if dim in dataset]
    parts["verdicts and hypotheses"] += words if parts["verdicts and hypotheses"] else []
    derived = [(name, found.label, "", "") for name, found in DERIVED.items() if name in names(dataset)]
    return {
        "parameters": [*_parameters(dataset)],
        **{group: parts[group] for group in ("numbers", "records", "spectra")},
        "derived": derived,
        "codes": [*_codes(dataset)],
        "verdicts and hypotheses": parts["verdicts and hypotheses"],
    }


def _parameters(dataset: xr.Dataset) -> Iterator[Row]:
    for name in parameters(dataset):
        values = coordinate(dataset, name)
        ordered = sorted(set(values.tolist())) if values.dtype.kind in "iuf" else [*dict.fromkeys(values.tolist())]
        texts = [value_text(value) for value in ordered]
        if len(texts) > ALL:
            texts = [*texts[:2], f"... {texts[-1]} ({len(texts)} values)"]
        drawn = "sample" if name in dataset.coords and dataset[name].dims == ("sample",) else ""
        yield name, f"{_plain(key_label(name))}: {', '.join(texts)}", "", drawn


def _codes(dataset: xr.Dataset) -> Iterator[Row]:
    for name, variable in dataset.data_vars.items():
        words = [] if name in JUDGED else [*meanings(variable)]
        if words:
            meaning = str(variable.attrs.get("long_name", ""))
            yield f"{name}:WORD", f"{meaning}. WORD: {', '.join(words)}", "", ""


def _plain(text: str) -> str:
    """Symbols as on axes without their mathematics, for a terminal; brackets are no markup."""
    return text.replace("$", "").replace("[", "\\[")
