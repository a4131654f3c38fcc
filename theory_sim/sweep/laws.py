"""Values of one swept key: lists, spaced values and replicates of a grid, and the laws that samples are drawn by."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory_sim.configuration import check_value, is_whole, key_types, require_known
from theory_sim.errors import InputError, require

LARGEST_SWEEP = 10**9
LARGEST_GRID = 10**6  # spaced values of one key
LARGEST_SAMPLE = 10**7  # unlike a grid's, every drawn value of every point is held in memory
SMALLEST_PROBABILITY = 1e-6  # between the bounds of a law: float64 has too few probabilities close to 1 for less
SPACED = ("linspace", "logspace", "range", "replicates")
METHODS = ("random", "sobol", "halton", "latin-hypercube")
DIGITS = 12  # of a spaced value: `.sel(alpha=1.2)` finds it, and no two machines differ in it


def is_number(value: Any) -> bool:
    """True for an int or a float, False for a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def whole(name: str, value: Any, least: int, most: int = LARGEST_SWEEP) -> int:
    """`value` as a whole number. Raises InputError naming `name` unless it is one in least ... most."""
    good = is_whole(value) and least <= value <= most
    require(good, f"{name} = {value!r}: allowed is a whole number {least} ... {most}")
    return int(value)


def as_column(name: str, values: list[Any]) -> NDArray:
    """Checked values of a key as an array: <U for words, int64 for whole numbers, float64 else."""
    kinds = key_types()[name]
    return np.array(values, dtype=np.str_ if str in kinds else np.int64 if int in kinds else np.float64)


def grid_values(name: str, entry: Any) -> NDArray:
    """All values of the key `name` by its entry in [grid]: a list, or one of SPACED. 1-D, each value once.

    Spaced values of a whole-number key are rounded and merged. Raises InputError on anything else, and on a value
    that the key does not allow.
    """
    if isinstance(entry, list):
        require(len(entry) > 0, f"grid.{name} = []: allowed is a list of at least one value")
        values = [check_value(name, value) for value in entry]
        repeated = [str(value) for value, count in Counter(values).items() if count > 1]
        require(not repeated, f"grid.{name} repeats {', '.join(repeated[:3])}: allowed is each value once")
        return as_column(name, values)
    allowed = "a list of words" if str in key_types()[name] else f"a list, {_forms(name)}"
    require(
        isinstance(entry, dict) and bool(entry),
        f"grid.{name} = {entry!r}: allowed is {allowed} (one fixed value belongs to [run])",
    )
    require(str not in key_types()[name], f"grid.{name} = {entry!r}: allowed is {allowed}")
    form = next((key for key in entry if key in SPACED), next(iter(entry)))
    require_known(form, SPACED, f"form of grid.{name}")
    extra = [key for key in entry if key != form and (form, key) != ("replicates", "first")]
    require(not extra, f"grid.{name} = {entry!r}: {' and '.join(extra)} beside {form} is not allowed")
    if form == "replicates":
        return _replicates(name, entry)
    return _range(name, entry[form]) if form == "range" else _spaced(name, form, entry[form])


def _forms(name: str) -> str:
    """The forms of spaced values that a key can have, in words."""
    whole_numbers = int in key_types()[name]
    unfit = {"range": not whole_numbers, "replicates": name != "seed"}
    return ", ".join(f"{{ {form} = ... }}" for form in SPACED if not unfit.get(form))


def _replicates(name: str, entry: Mapping[str, Any]) -> NDArray:
    require(name == "seed", f"grid.{name} = {entry!r}: replicates are of the key seed only")
    first = check_value("seed", entry.get("first", 0))
    n = whole("grid.seed.replicates", entry["replicates"], 1)
    check_value("seed", first + n - 1)
    return np.arange(first, first + n, dtype=np.int64)


def _range(name: str, given: Any) -> NDArray:
    good = isinstance(given, list) and len(given) in (2, 3) and all(map(is_whole, given))
    require(
        good and int in key_types()[name] and given[0] <= given[1] and (len(given) == 2 or given[2] > 0),
        f"grid.{name}.range = {given!r}: allowed is [first, last, step > 0] in whole numbers, for keys that are such",
    )
    first, last = check_value(name, given[0]), check_value(name, given[1])
    step = int(given[2]) if len(given) == 3 else 1
    whole(f"number of values of grid.{name}", (last - first) // step + 1, 1, LARGEST_GRID)
    return np.arange(first, last + 1, step, dtype=np.int64)


def _spaced(name: str, form: str, given: Any) -> NDArray:
    good = isinstance(given, list) and len(given) == 3 and all(is_number(value) for value in given)
    require(good, f"grid.{name}.{form} = {given!r}: allowed is [first, last, number of values]")
    positive = form == "linspace" or min(given[:2]) > 0
    require(positive, f"grid.{name}.logspace = {given!r}: allowed are ends > 0 (they are values, not exponents)")
    first, last = (float(check_value(name, value)) for value in given[:2])
    n = whole(f"number of values of grid.{name}", given[2], 1, LARGEST_GRID)
    require(n == 1 or first != last, f"grid.{name}.{form} = {given!r}: allowed are two different ends")
    if form == "linspace":
        values = np.linspace(first, last, n)
        values[np.abs(values) < 10.0**-DIGITS * np.abs(values).max()] = 0.0  # 0 itself, missed by a rounding
    else:
        values = np.geomspace(first, last, n)
    if int in key_types()[name]:
        merged = np.unique(np.rint(values).astype(np.int64))
        column: NDArray = merged if first <= last else merged[::-1].copy()
    else:
        column = _rounded(values)
        require(len(np.unique(column)) == n, f"grid.{name}.{form} = {given!r}: two of the values are equal")
    check_range(name, column)
    return column


def check_range(name: str, column: NDArray) -> None:
    """Raise InputError unless the key `name` allows every number of a column.

    Every key's range is an interval, with or without a hole around 0: the ends and the smallest sizes decide.
    """
    whole_numbers = column.dtype.kind == "i"
    sizes = np.abs(column)
    tested = {column.min(), column.max(), column[np.argmin(sizes)]}
    if sizes.min() == 0 and sizes.max() > 0:
        tested.add(column[np.argmin(np.where(sizes == 0, np.inf, sizes))])
    for value in sorted(tested):
        check_value(name, int(value) if whole_numbers else float(value))


@dataclass(frozen=True)
class Law:
    """The marginal law of a drawn key. kind: of LAWS; given: its parameters, or the values of a choice.

    bounds: of a law of BOUNDED, which is then the law under the condition that the value lies between them.
    """

    kind: str
    given: tuple[Any, ...]
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def draw(self, name: str, uniform: NDArray) -> NDArray:
        """Values of the key `name` from numbers uniform in [0, 1), by the inverse distribution function; checked.

        Numbers are rounded: for a whole-number key, and else to DIGITS, as those of a grid. Raises InputError on a
        value that the key does not allow.
        """
        below, above = self.probabilities() if self.kind in BOUNDED else (0.0, 1.0)
        u = np.clip(below + (above - below) * uniform, 2.0**-54, 1 - 2.0**-53)
        if self.kind == "choice":
            return as_column(name, list(self.given))[(u * len(self.given)).astype(np.int64)]
        with np.errstate(over="ignore"):  # an infinite value is refused below
            column = INVERSES[self.kind](u, *self.given)
        if int in key_types()[name]:
            require(np.abs(column).max() < 2**53, f"sample.{name} draws {np.abs(column).max():g}: allowed is < 2^53")
            column = np.rint(column).astype(np.int64)
        else:
            column = _rounded(column)
            column = np.clip(column, *(self.given if self.kind in ("uniform", "loguniform") else self.bounds))
        try:
            check_range(name, column)
        except InputError as error:
            more = ": min and max bound it" if self.kind in BOUNDED else ""
            raise InputError(f"sample.{name} draws {error} (the law reaches outside{more})") from None
        return column

    def probabilities(self) -> tuple[float, float]:
        """Of a law of BOUNDED: the probabilities of a value below its lower and below its upper bound."""
        low, high = (float(BOUNDED[self.kind](bound, *self.given)) for bound in self.bounds)
        return low, high


def _rounded(column: NDArray) -> NDArray[np.float64]:
    """Numbers to DIGITS decimal digits, so that last bits of a machine's functions do not show."""
    return np.array([float(f"{value:.{DIGITS}g}") for value in column.tolist()])


def _normal(u: NDArray, mean: float, deviation: float) -> NDArray:
    from scipy.special import ndtri

    return np.asarray(mean + deviation * ndtri(u))


INVERSES: dict[str, Callable[..., NDArray]] = {
    "uniform": lambda u, low, high: np.clip(low + (high - low) * u, low, high),
    "loguniform": lambda u, low, high: np.clip(low * np.exp(math.log(high / low) * u), low, high),
    "normal": _normal,
    "lognormal": lambda u, median, deviation: median * np.exp(_normal(u, 0.0, deviation)),
    "integers": lambda u, low, high: np.minimum(low + np.floor(u * (high - low + 1)), high),
}
LAWS = (*INVERSES, "choice")


def _below(bound: float, mean: float, deviation: float) -> float:
    from scipy.special import ndtr

    return float(ndtr((bound - mean) / deviation))


BOUNDED: dict[str, Callable[..., float]] = {  # the distribution functions of laws that can be bounded
    "normal": _below,
    "lognormal": lambda bound, median, deviation: (
        _below(math.log(bound) - math.log(median), 0.0, deviation) if bound > 0 else 0.0
    ),
}
_PARAMETERS = {
    "uniform": "[low, high] with low < high",
    "loguniform": "[low, high] with 0 < low < high",
    "normal": "[mean, standard deviation > 0]",
    "lognormal": "[median > 0, standard deviation > 0 of the logarithm]",
    "integers": "[first, last] in whole numbers, both included",
}


def parse_law(name: str, entry: Any) -> Law:
    """The law of the key `name` by its entry in [sample], { law = [parameters] }, of BOUNDED also with min and max.

    Raises InputError on anything else, and on bounds between which the law hardly ever lies.
    """
    kinds = [key for key in entry if key not in ("min", "max")] if isinstance(entry, dict) else []
    forms = ", ".join(f"{{ {law} = [...] }}" for law in LAWS)
    require(len(kinds) == 1, f"sample.{name} = {entry!r}: allowed is one law, {forms}")
    kind, given = kinds[0], entry[kinds[0]]
    require_known(kind, LAWS, f"law of sample.{name}")
    require(
        len(entry) == 1 or kind in BOUNDED,
        f"sample.{name} = {entry!r}: allowed are min and max beside {' and '.join(BOUNDED)} only",
    )
    if kind == "choice":
        require(isinstance(given, list) and len(given) > 0, f"sample.{name}.choice = {given!r}: allowed is a list")
        return Law(kind, tuple(check_value(name, value) for value in given))
    allowed = f"sample.{name}.{kind} = {given!r}: allowed is {_PARAMETERS[kind]}"
    require(str not in key_types()[name], f"sample.{name} = {entry!r}: allowed is {{ choice = [words] }}")
    require(isinstance(given, list) and len(given) == 2 and all(map(is_number, given)), allowed)
    first, second = map(float, given)
    require(math.isfinite(first) and math.isfinite(second) and max(abs(first), abs(second)) <= 1e50, allowed)
    if kind == "integers":
        require(all(map(is_whole, given)) and first <= second < 2**53, allowed)
        return Law(kind, tuple(map(int, given)))
    require(kind not in ("loguniform", "lognormal") or first > 0, allowed)
    require(second > (first if kind in ("uniform", "loguniform") else 0), allowed)
    if len(entry) == 1:
        return Law(kind, (first, second))
    return _bounded(name, entry, Law(kind, (first, second)))


def _bounded(name: str, entry: Mapping[str, Any], law: Law) -> Law:
    fits = is_whole if int in key_types()[name] else is_number
    bounds = [entry[key] for key in ("min", "max") if key in entry]
    good = all(fits(bound) and abs(bound) <= 1e50 for bound in bounds) and bounds == sorted(set(bounds))
    numbers = "whole numbers" if fits is is_whole else "numbers"
    require(good, f"sample.{name} = {entry!r}: allowed are {numbers} min < max")
    bounded = replace(law, bounds=(float(entry.get("min", -math.inf)), float(entry.get("max", math.inf))))
    below, above = bounded.probabilities()
    require(
        above - below >= SMALLEST_PROBABILITY,
        f"sample.{name} = {entry!r}: the law lies between min and max with probability {above - below:.2g}: "
        f"allowed is >= {SMALLEST_PROBABILITY:g}",
    )
    return bounded


def draw_uniform(method: str, n: int, n_columns: int, seed: int) -> NDArray[np.float64]:
    """(n, n_columns) numbers in [0, 1) by a method of METHODS; Sobol' points need a power of two. Same seed, same bits.

    Raises InputError on another method, and on a number of Sobol' points that is no power of two.
    """
    rng = np.random.default_rng(seed)
    if method == "random":
        return rng.random((n, n_columns))
    from scipy.stats import qmc

    if method == "sobol":
        below = 2 ** (n.bit_length() - 1)
        require(n == below, f"sample.n = {n} with method = sobol: allowed is a power of two, {below} or {2 * below}")
        return np.asarray(qmc.Sobol(n_columns, seed=rng).random(n))
    if method == "halton":
        return np.asarray(qmc.Halton(n_columns, seed=rng).random(n))
    if method == "latin-hypercube":
        return np.asarray(qmc.LatinHypercube(n_columns, seed=rng).random(n))
    raise InputError(f"sample.method = {method!r}: allowed are {', '.join(METHODS)}")
