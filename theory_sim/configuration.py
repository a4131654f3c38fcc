"""Every parameter of one training run, and how it is read from TOML files and `key=value` settings.

The documentation of a parameter lies in its field; `describe` turns the fields into the table that
`python -m theory_sim simulate --keys` prints.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

from theory_sim.errors import InputError, require

# Repeated here because importing the modules that own them costs the command line's start-up; a test compares them.
ACTIVATIONS = ("relu", "softplus", "squareplus", "leaky_softplus")
OUTER_LAWS = ("signs", "scaled_signs", "gaussian", "bernoulli")
WEIGHT_LAWS = ("gaussian", "uniform", "signs")
LOSSES = ("mse", "logistic")
ENGINES = ("auto", "reference", "collapsed", "numba", "events")
ATTACKS = ("fgm", "fgsm", "pgd")
ATTACK_STEPS = ("raw", "normalised", "sign")
ATTACK_BALLS = ("l2", "linf")
SAMPLE = "sample"
DEFAULT_RELATIVE_RATE = 0.02
DEFAULT_RELATIVE_RESIDUAL = 2.0
SMALLEST, LARGEST = 1e-50, 1e50
LARGEST_WHOLE = 2**31 - 1
LARGEST_MEMORY = 2 * 2**30
# At most one of each group can be given; a later source (--set after the file) replaces what an earlier one gave.
ALTERNATIVES = (("learning_rate", "relative_rate"), ("label", "residual", "relative_residual"))


def _key(
    default: Any,
    doc: str,
    *,
    choices: tuple[str, ...] = (),
    allowed: str = "",
    fits: Callable[[Any], bool] = lambda _: True,
    only: str = "",
) -> Any:
    """A documented field.

    `choices` are its words; `allowed` says its range and `fits` decides it; `only` when it has an effect ("key=value").
    """
    metadata = {"doc": doc, "choices": choices, "allowed": allowed, "fits": fits, "only": only}
    return field(default=default, metadata=metadata)


def _from(least: float) -> dict[str, Any]:
    """A range that includes its lower end."""
    return {"allowed": f">= {least:g}", "fits": lambda value: value >= least}


POSITIVE: dict[str, Any] = {"allowed": "> 0", "fits": lambda value: value > 0}
DRIVE: dict[str, Any] = {"allowed": "other than 0 (nothing would be trained)", "fits": lambda value: value != 0}


@dataclass(frozen=True)
class Configuration:
    """One training run of the two-layer net, everything that decides its numbers.

    Raises InputError on a wrong type, a word that is not among the allowed ones, a number that is not finite or out
    of all proportion or of its own range, two keys that are alternatives, and a run that would not fit into memory.
    What depends on several keys, as the range of the cut-off does, is checked where it is used.
    """

    source: str = _key("power-law", "kind of input x", choices=("power-law", "rows", "tiles"))
    dim: int = _key(257, "input dimension d (tiles: tile_size²)", **_from(4), only="source=power-law,rows")
    alpha: float = _key(1.0, "|x̂[k]| = k^(-alpha)", **_from(1), only="source=power-law")
    alpha0: float = _key(
        1.0, "|x̂[0]|", fits=lambda alpha0: 0 <= alpha0 <= 1e12,
        allowed="0 ... 1e12 (x is constant in float64 beyond it)", only="source=power-law",
    )  # fmt: skip
    picture: str = _key(
        SAMPLE, "image file or folder; 'sample' is Matplotlib's photograph", allowed="a path", only="source=rows,tiles"
    )
    piece: int | None = _key(None, "which row or tile; drawn by seed if absent", **_from(0), only="source=rows,tiles")
    tile_size: int = _key(32, "height and width of a tile", **_from(2), only="source=tiles")

    width: int = _key(128, "hidden units m", **_from(1))
    activation: str = _key("relu", "σ", choices=ACTIVATIONS)
    sharpness: float = _key(
        10.0, "b of the smooth activations", **POSITIVE, only="activation=softplus,squareplus,leaky_softplus"
    )
    leak: float = _key(
        0.1, "slope of leaky_softplus at -∞", allowed="0 <= leak < 1", fits=lambda leak: 0 <= leak < 1,
        only="activation=leaky_softplus",
    )  # fmt: skip
    outer_law: str = _key("signs", "law of the outer weights a", choices=OUTER_LAWS)
    outer_scale: float = _key(1.0, "factor on the outer weights a", **POSITIVE)
    weight_law: str = _key("gaussian", "law of the inner weights W, uniform: on ±√3 weight_scale", choices=WEIGHT_LAWS)
    weight_scale: float = _key(1.0, "standard deviation of the inner weights W", **POSITIVE)

    cutoff: float = _key(8.0, "low band |k| <= cutoff (tiles: radius)", allowed="1 <= cutoff < (dim-1)/2 or top radius")
    convention: str = _key("two-sided", "how a band sum counts k and -k", choices=("two-sided", "one-sided"))
    mask: str = _key("disc", "shape of the low band of tiles", choices=("disc", "square"), only="source=tiles")
    transform: str = _key("dft", "DFT (the theory's) or DCT", choices=("dft", "dct"))

    learning_rate: float | None = _key(None, "η; or give relative_rate", **POSITIVE)
    relative_rate: float | None = _key(
        None, f"r = η‖a'‖²‖x‖² at the start ({DEFAULT_RELATIVE_RATE} if no learning_rate); ReLU: stable for r < 2",
        **POSITIVE,
    )  # fmt: skip
    n_steps: int = _key(300, "steps of gradient descent", **_from(1))
    label: float | None = _key(
        None,
        "y (logistic: -1 or 1, the one that f(x) has not if absent); or give residual or relative_residual",
        allowed="finite",
    )
    residual: float | None = _key(None, "f(x) - y at the start, sets y; > 0: positive drive", **DRIVE, only="loss=mse")
    relative_residual: float | None = _key(
        None, f"(f(x) - y)/(‖x‖‖g‖) at the start, sets y ({DEFAULT_RELATIVE_RESIDUAL:g} if neither is given): by how "
        "many of its own lengths training moves the gradient g", **DRIVE, only="loss=mse",
    )  # fmt: skip
    loss: str = _key("mse", "loss of one sample", choices=LOSSES)

    engine: str = _key("auto", "explicit engine; auto: events for relu and mse, else numba", choices=ENGINES)
    seed: int = _key(
        0, "seed of input, network and piece", allowed=f"0 ... {LARGEST_WHOLE}", fits=lambda seed: seed >= 0
    )

    attack: str = _key(
        "fgm", "attack before and after training; fgm: δ has the spectrum of the gradient itself", choices=ATTACKS
    )
    attack_radius: float = _key(0.1, "ε, radius of the attack's ball", **POSITIVE, only="attack=fgsm,pgd")
    attack_step_size: float = _key(0.01, "ξ, length of an attack's step", **POSITIVE, only="attack=pgd")
    attack_steps: int = _key(10, "steps of an attack", **_from(1), only="attack=pgd")
    attack_step: str = _key("raw", "what an attack steps along", choices=ATTACK_STEPS, only="attack=pgd")
    attack_ball: str = _key("l2", "norm of the attack's ball", choices=ATTACK_BALLS, only="attack=pgd")
    attack_start: str = _key("zero", "where an attack starts", choices=("zero", "random"), only="attack=pgd")

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, check_value(f.name, getattr(self, f.name)))
        for group in ALTERNATIVES:
            given = [name for name in group if getattr(self, name) is not None]
            require(len(given) <= 1, f"{' and '.join(given)} are given together: allowed is one of {', '.join(group)}")
        for name in ("residual", "relative_residual"):
            residual = getattr(self, name)
            require(
                residual is None or self.loss == "mse",
                f"{name} = {residual} with loss = logistic: allowed is label = -1 or 1",
            )
        need = self.memory
        require(
            need <= LARGEST_MEMORY,
            f"n_steps = {self.n_steps} with dim {self.input_dim} and width {self.width} needs about {need / 2**30:.3g} "
            f"GiB: allowed is {LARGEST_MEMORY / 2**30:.3g} GiB (fewer steps, units or dimensions)",
        )

    @property
    def input_dim(self) -> int:
        """d, the number of samples of the input."""
        return self.tile_size**2 if self.source == "tiles" else self.dim

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape the band is defined on: (d,) or (tile_size, tile_size)."""
        return (self.tile_size, self.tile_size) if self.source == "tiles" else (self.dim,)

    @property
    def memory(self) -> int:
        """Rough bytes of the run."""
        return int(run_memory(self.input_dim, self.width, self.n_steps))

    def with_defaults(self) -> Configuration:
        """The same run with the alternatives decided; only the logistic loss leaves its label to the output's sign."""
        chosen: dict[str, Any] = {}
        if self.learning_rate is None and self.relative_rate is None:
            chosen["relative_rate"] = DEFAULT_RELATIVE_RATE
        if self.loss == "mse" and all(getattr(self, name) is None for name in ALTERNATIVES[1]):
            chosen["relative_residual"] = DEFAULT_RELATIVE_RESIDUAL
        return replace(self, **chosen)

    def toml(self) -> str:
        """The configuration as a TOML document that `load_configuration` reads back."""
        lines = []
        for name, value in asdict(self).items():
            if value is not None:
                # JSON's strings with its escapes are TOML's basic strings, and so are its numbers.
                lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        return "\n".join(lines) + "\n"


def run_memory(dim: Any, width: Any, n_steps: Any) -> Any:
    """Rough bytes of runs: the weights, and what every step records of units, gradient and spectra."""
    return 8 * (2 * width * dim + (n_steps + 1) * (3 * width + 8 * dim))


@cache
def key_types() -> dict[str, tuple[type, ...]]:
    """Allowed types of every key, in order; NoneType where the key may be absent."""
    hints = get_type_hints(Configuration)
    return {f.name: get_args(hints[f.name]) or (hints[f.name],) for f in fields(Configuration)}


def is_whole(value: Any) -> bool:
    """True for a whole number, 3 or 3.0; False for a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0


def check_value(name: str, value: Any) -> Any:
    """`value` as the type of the key `name`; 3 and 3.0 are the same number.

    Raises InputError on an unknown key, another type, an unknown word, and a number out of the key's range.
    """
    require_known(name, key_types())
    kinds = key_types()[name]
    metadata = Configuration.__dataclass_fields__[name].metadata
    if value is None and type(None) in kinds:
        return None
    if str in kinds:
        choices = metadata["choices"]
        allowed = f"one of {', '.join(choices)}" if choices else metadata["allowed"]
        require(
            isinstance(value, str) and (not choices or value in choices), f"{name} = {value!r}: allowed is {allowed}"
        )
        require(value != "", f"{name} is empty: allowed is {allowed}")
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if int in kinds:
        allowed = f"a whole number {metadata['allowed']}"
        require(is_whole(value), f"{name} = {value!r}: allowed is {allowed}")
        require(abs(value) <= LARGEST_WHOLE, f"{name} = {value}: allowed is {allowed}, at most {LARGEST_WHOLE}")
        value = int(value)
    else:
        allowed = f"a number {metadata['allowed']}"
        require(number, f"{name} = {value!r}: allowed is {allowed}")
        # Beyond these sizes products of energies leave float64 before any training; NaN fails here too.
        moderate = value == 0 or SMALLEST <= abs(value) <= LARGEST
        require(moderate, f"{name} = {value}: allowed is {allowed}, of size {SMALLEST:g} ... {LARGEST:g}")
        value = float(value)
    require(metadata["fits"](value), f"{name} = {value}: allowed is {metadata['allowed']}")
    return value


def load_configuration(path: Path | None = None, settings: Sequence[str] = ()) -> Configuration:
    """Defaults, overridden by `read_values`. Raises InputError as `read_values` and `Configuration` do."""
    return Configuration(**read_values(path, settings))


def read_values(path: Path | None = None, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The keys given by a TOML file, overridden by `key=value` settings in their order; types are not checked here.

    Values are written as in TOML; a word needs no quotes. Raises InputError on an unreadable file, a syntax error and
    an unknown key (naming the near ones).
    """
    values = _without_alternatives({}, read_toml(path)) if path is not None else {}
    given = {}
    for setting in settings:
        name, text = split_setting(setting)
        given[name] = parse_value(name, text)
    return _without_alternatives(values, given)


def _without_alternatives(earlier: Mapping[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Both merged: what is given later wins, also over its alternative given earlier."""
    for name in later:
        require_known(name, key_types())
    merged = dict(earlier)
    for group in ALTERNATIVES:
        if any(name in later for name in group):
            for name in group:
                merged.pop(name, None)
    return merged | later


def require_known(name: str, known: Iterable[str], what: str = "key") -> None:
    """Raise InputError naming the near ones unless `name` is among the `known`."""
    known = list(known)
    if name not in known:
        near = difflib.get_close_matches(name.replace("-", "_"), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"allowed are {', '.join(known)}"
        raise InputError(f"unknown {what} {name!r}: {hint}")


def read_toml(path: Path) -> dict[str, Any]:
    """The document in a file. Raises InputError if it cannot be read or is not TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"cannot read configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"configuration {path} is not TOML: {error}") from None


def split_setting(setting: str) -> tuple[str, str]:
    """Key and text of "key=value". Raises InputError on any other form."""
    name, equals, text = setting.partition("=")
    name, text = name.strip(), text.strip()
    require(bool(equals and name), f"--set {setting!r}: allowed is key=value")
    return name, text


def parse_value(name: str, text: str) -> Any:
    """`text` as a TOML value of the key `name`; a word needs no quotes. Raises InputError on an unknown key.

    What is no TOML value stands for itself, as does what is no TOML string where a word is wanted.
    """
    require_known(name, key_types())
    value = parse_text(text)
    return text if str in key_types()[name] and not isinstance(value, str) else value


def parse_text(text: str) -> Any:
    """`text` as a TOML value, or itself if it is none."""
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if set(document) == {"value"} else text


def without_effect(configuration: Configuration, given: Iterable[str]) -> list[str]:
    """Those of the `given` keys that do nothing in this run, each as "alpha (only with source = power-law)"."""
    idle, given = [], set(given)
    for name in key_types():
        key, words = only_with(name)
        if name in given and key and getattr(configuration, key) not in words:
            idle.append(f"{name} (only with {key} = {' or '.join(words)})")
    return idle


def only_with(name: str) -> tuple[str, tuple[str, ...]]:
    """The key, and its values, that the key `name` needs to have an effect; ("", ()) if it always has one."""
    key, _, words = Configuration.__dataclass_fields__[name].metadata["only"].partition("=")
    return (key, tuple(words.split(","))) if key else ("", ())


def describe() -> list[tuple[str, str, str, str]]:
    """(key, default, allowed, meaning) of every key, in order."""
    rows = []
    for f in fields(Configuration):
        default = "" if f.default is None else f"{f.default:g}" if isinstance(f.default, float) else str(f.default)
        allowed = ", ".join(f.metadata["choices"]) or f.metadata["allowed"]
        rows.append((f.name, default, allowed, f.metadata["doc"]))
    return rows
