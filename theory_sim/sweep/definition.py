"""What a sweep sets: fixed values, the dimensions of its result, and the values of every point.

A sweep is a TOML file with the sections [run] (fixed values), [grid] (dimensions), [sample] (values drawn jointly, one
dimension `sample`) and [record]; default.toml beside this file is a commented example.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from theory_sim.configuration import (
    ALTERNATIVES,
    DEFAULT_RELATIVE_RATE,
    DEFAULT_RELATIVE_RESIDUAL,
    Configuration,
    check_value,
    key_types,
    parse_text,
    parse_value,
    read_toml,
    require_known,
    split_setting,
)
from theory_sim.errors import InputError, require
from theory_sim.sweep.differences import differences
from theory_sim.sweep.laws import LARGEST_SAMPLE, LARGEST_SWEEP, METHODS, grid_values, parse_law, whole
from theory_sim.sweep.points import ORDER, SAMPLE, Dimension, Recording, Sampling, SweepDefinition

__all__ = ["Dimension", "Recording", "Sampling", "SweepDefinition", "differences", "load_sweep", "parse_sweep"]

DEFAULT = Path(__file__).with_name("default.toml")
SECTIONS = ("run", "grid", SAMPLE, "record")
SAMPLING = {"n": None, "method": "sobol", "seed": 0}  # what [sample] says beside its laws


def load_sweep(path: Path | None = None, settings: Sequence[str] = ()) -> SweepDefinition:
    """The sweep of a TOML file (None: the default one), changed by `settings` "key=value" in their order.

    A plain key, or "run.key", fixes that key and takes it, or its alternative, out of wherever the file gives it;
    "grid.key", "sample.key" and "record.key" replace an entry of that section. [sample] goes with its last key, unless
    a setting asks for it. Raises InputError as `parse_sweep`, and on a list or a table that is no TOML.
    """
    document = read_toml(path if path is not None else DEFAULT)
    _require_sections(document)
    drawn = _drawn(document)
    options = False
    for setting in settings:
        name, text = split_setting(setting)
        section, dot, key = name.rpartition(".")
        if dot:
            require_known(section, SECTIONS, "section")
            _require_toml(setting, text)
        _replace(document, section or "run", key, text)
        options |= section == SAMPLE and key in SAMPLING
    if drawn and not _drawn(document) and not options:
        document.pop(SAMPLE)  # settings took every drawn key out of it
    return parse_sweep(document)


def _require_toml(setting: str, text: str) -> None:
    """Raise InputError if the text of a setting begins a list or a table but is no TOML; words need no quotes."""
    if text.startswith(("[", "{")):
        try:
            tomllib.loads(setting)
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"--set {setting!r}: {text!r} is not TOML: {error}") from None


def parse_sweep(document: Mapping[str, Any]) -> SweepDefinition:
    """The sweep of a TOML document.

    Raises InputError on an unknown section or key, a value that its key does not allow, a key given twice, two keys
    that are alternatives, a sweep over nothing or over more than LARGEST_SWEEP points, more than LARGEST_SAMPLE drawn
    ones, a recorded step beyond the end of every run, and on what cannot be drawn by its scalars where that is asked
    for.
    """
    _require_sections(document)
    run, grid, sample, record = (document.get(section, {}) for section in SECTIONS)
    _require_once(run, grid, {key: entry for key, entry in sample.items() if _is_drawn(key, entry)})
    swept = {key: Dimension(key, {key: grid_values(key, grid[key])}) for key in grid}
    sampling = _sampling(sample) if SAMPLE in document else None
    n_points = math.prod([d.size for d in swept.values()] + ([sampling.n] if sampling else []))
    require(n_points <= LARGEST_SWEEP, f"the sweep has {n_points} points: allowed are {LARGEST_SWEEP}")
    dimensions = [sampling.draw()] if sampling else []
    dimensions += [swept[key] for key in ORDER if key in swept]
    require(bool(dimensions), "nothing is swept: allowed is a [grid] or a [sample] with a key (one run: simulate)")
    fixed = {f.name: check_value(f.name, run.get(f.name, f.default)) for f in fields(Configuration)}
    definition = SweepDefinition(
        {key: value for key, value in fixed.items() if not any(key in d.columns for d in dimensions)},
        tuple(dimensions),
        _recording(record),
        sampling,
    )
    _require_recorded(definition)
    _require_scalars(definition)
    return _with_defaults(definition)


def _require_recorded(definition: SweepDefinition) -> None:
    """A step beyond the end of some points is NaN there; beyond that of every point it is a mistake."""
    steps, longest = definition.recording.steps, int(definition.values("n_steps").max())
    if isinstance(steps, tuple):
        require(steps[-1] <= longest, f"record.steps = {steps[-1]}: allowed is <= {longest}, the largest n_steps")


def _require_scalars(definition: SweepDefinition) -> None:
    """What can be drawn without weights: see engine/scalars.py."""
    if definition.recording.draw == "weights":
        return
    allowed = {"activation": {"relu"}, "weight_law": {"gaussian"}, "attack": {"fgm"}}
    if definition.values("transform").tolist() != ["dct"]:
        allowed["convention"] = {"two-sided"}
    for key, words in allowed.items():
        for value in set(definition.values(key).tolist()) - words:
            raise InputError(f"{key} = {value!r} with record.draw = 'scalars': allowed is {', '.join(words)!r}")


def _with_defaults(definition: SweepDefinition) -> SweepDefinition:
    """The sweep with the alternatives decided, but for the start's residual where only some points can have one."""
    every_mse = set(definition.values("loss").tolist()) == {"mse"}
    defaults = {"relative_rate": DEFAULT_RELATIVE_RATE, "relative_residual": DEFAULT_RELATIVE_RESIDUAL}
    fixed = definition.fixed
    chosen = {
        key: value
        for group, (key, value) in zip(ALTERNATIVES, defaults.items(), strict=True)
        if all(name in fixed and fixed[name] is None for name in group) and (key == "relative_rate" or every_mse)
    }
    return replace(definition, fixed=fixed | chosen)


def _require_sections(document: Mapping[str, Any]) -> None:
    for name, section in document.items():
        if name in key_types():
            raise InputError(f"{name} stands outside of a section: allowed is a value in [run], or several in [grid]")
        require_known(name, SECTIONS, "section")
        require(isinstance(section, dict), f"{name} = {section!r}: allowed is a section [{name}]")
    for section in ("run", "grid"):
        for key in document.get(section, {}):
            require_known(key, key_types(), f"key in [{section}]")
    for key in document.get(SAMPLE, {}):
        require_known(key, (*SAMPLING, *key_types()), f"key in [{SAMPLE}]")
    for key in document.get("record", {}):
        require_known(key, (f.name for f in fields(Recording)), "key in [record]")


def _is_drawn(key: str, entry: Any) -> bool:
    """Whether an entry of [sample] is a law; `seed` is the network's seed if it has one, else the sampler's."""
    return key not in SAMPLING or (key == "seed" and isinstance(entry, dict))


def _drawn(document: Mapping[str, Any]) -> list[str]:
    return [key for key, entry in document.get(SAMPLE, {}).items() if _is_drawn(key, entry)]


def _require_once(*sections: Mapping[str, Any]) -> None:
    """Raise InputError if a key, or two alternatives, are given by [run], [grid] and [sample] together."""
    given: list[tuple[str, str]] = []
    for section, keys in zip(SECTIONS, sections, strict=False):
        given += [(key, f"[{section}]") for key in keys]
    for group in (*((key,) for key in key_types()), *ALTERNATIVES):
        found = [f"{key} in {section}" for key, section in given if key in group]
        require(len(found) <= 1, f"{' and '.join(found)} are given together: allowed is one of them")


def _replace(document: dict[str, Any], section: str, key: str, text: str) -> None:
    """Put one setting into the document, and take what it replaces out of it."""
    if section == "record" or (section == SAMPLE and key in SAMPLING and not text.startswith("{")):
        value = parse_text(text)
    else:
        value = parse_value(key, text) if section == "run" else parse_text(text)
        group = next((group for group in ALTERNATIVES if key in group), (key,))
        for other in ("run", "grid", SAMPLE):
            for name in group:
                if other != SAMPLE or _is_drawn(name, document.get(SAMPLE, {}).get(name)):
                    document.get(other, {}).pop(name, None)
    document.setdefault(section, {})[key] = value
    _require_sections(document)


def _sampling(section: Mapping[str, Any]) -> Sampling:
    laws = {key: parse_law(key, entry) for key, entry in section.items() if _is_drawn(key, entry)}
    require(bool(laws), "nothing is drawn: [sample] has no key (allowed is at least one, with a law)")
    given = SAMPLING | {key: value for key, value in section.items() if key not in laws}
    n, method, seed = (given[key] for key in SAMPLING)
    require(n is not None, "[sample] without n: allowed is n = number of points")
    require(method in METHODS, f"sample.method = {method!r}: allowed are {', '.join(METHODS)}")
    n = whole("sample.n", n, 1)
    require(
        n <= LARGEST_SAMPLE,
        f"sample.n = {n}: allowed is <= {LARGEST_SAMPLE}, as every drawn value is held in memory (a [grid] beside it "
        "multiplies the points)",
    )
    return Sampling(n, method, whole("sample.seed", seed, 0, 2**63 - 1), laws)


def _recording(section: Mapping[str, Any]) -> Recording:
    given = dict(section)
    if isinstance(given.get("steps"), list):
        given["steps"] = tuple(given["steps"])
    return Recording(**given)
