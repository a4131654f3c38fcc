"""Every parameter of one training run, and how it is read from TOML files and `key=value` settings.

The documentation of a parameter lies in its field; `describe` turns the fields into the table that
`python -m theory_sim simulate --keys` prints.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from theory_sim.errors import InputError, require

# Repeated here because importing the modules that own them costs the command line's start-up; a test compares them.
ACTIVATIONS = ("relu", "softplus", "squareplus", "leaky_softplus")
OUTER_LAWS = ("signs", "scaled_signs", "gaussian", "bernoulli")
LOSSES = ("mse", "logistic")
ENGINES = ("auto", "reference", "collapsed", "numba", "events")
SAMPLE = "sample"
DEFAULT_RELATIVE_RATE = 0.02
DEFAULT_RELATIVE_RESIDUAL = 2.0
SMALLEST, LARGEST = 1e-50, 1e50
LARGEST_MEMORY = 2 * 2**30
# At most one of each group can be given; a later source (--set after the file) replaces what an earlier one gave.
ALTERNATIVES = (("learning_rate", "relative_rate"), ("label", "residual", "relative_residual"))


def _key(default: Any, doc: str, *, choices: tuple[str, ...] = (), allowed: str = "", only: str = "") -> Any:
    """A documented field; `choices` are its words, `allowed` its range, `only` when it has an effect ("key=value")."""
    return field(default=default, metadata={"doc": doc, "choices": choices, "allowed": allowed, "only": only})


@dataclass(frozen=True)
class Configuration:
    """One training run of the two-layer net, everything that decides its numbers.

    Raises InputError on a wrong type, a word that is not among the allowed ones, a number that is not finite or out
    of all proportion, two keys that are alternatives, and a run that would not fit into memory. Ranges of single
    parameters are checked where they are used.
    """

    source: str = _key("power-law", "kind of input x", choices=("power-law", "rows", "tiles"))
    dim: int = _key(257, "input dimension d (tiles: tile_size²)", allowed=">= 4", only="source=power-law,rows")
    alpha: float = _key(1.0, "|x̂[k]| = k^(-alpha)", allowed=">= 1", only="source=power-law")
    alpha0: float = _key(1.0, "|x̂[0]|", allowed=">= 0", only="source=power-law")
    picture: str = _key(
        SAMPLE, "image file or folder; 'sample' is Matplotlib's photograph", allowed="a path", only="source=rows,tiles"
    )
    piece: int | None = _key(
        None, "which row or tile; drawn by seed if absent", allowed=">= 0", only="source=rows,tiles"
    )
    tile_size: int = _key(32, "height and width of a tile", allowed=">= 2", only="source=tiles")

    width: int = _key(128, "hidden units m", allowed=">= 1")
    activation: str = _key("relu", "σ", choices=ACTIVATIONS)
    sharpness: float = _key(
        10.0, "b of the smooth activations", allowed="> 0", only="activation=softplus,squareplus,leaky_softplus"
    )
    leak: float = _key(0.1, "slope of leaky_softplus at -∞", allowed="0 <= leak < 1", only="activation=leaky_softplus")
    outer_law: str = _key("signs", "law of the outer weights a", choices=OUTER_LAWS)
    weight_scale: float = _key(1.0, "standard deviation of the inner weights W", allowed="> 0")

    cutoff: float = _key(8.0, "low band |k| <= cutoff (tiles: radius)", allowed="1 <= cutoff < (dim-1)/2 or top radius")
    convention: str = _key("two-sided", "how a band sum counts k and -k", choices=("two-sided", "one-sided"))
    mask: str = _key("disc", "shape of the low band of tiles", choices=("disc", "square"), only="source=tiles")
    transform: str = _key("dft", "DFT (the theory's) or DCT", choices=("dft", "dct"))

    learning_rate: float | None = _key(None, "η; or give relative_rate", allowed="> 0")
    relative_rate: float | None = _key(
        None, f"r = η‖a'‖²‖x‖² at the start ({DEFAULT_RELATIVE_RATE} if no learning_rate); ReLU: stable for r < 2",
        allowed="> 0",
    )  # fmt: skip
    n_steps: int = _key(300, "steps of gradient descent", allowed=">= 1")
    label: float | None = _key(
        None,
        "y (logistic: -1 or 1, the one that f(x) has not if absent); or give residual or relative_residual",
        allowed="finite",
    )
    residual: float | None = _key(
        None, "f(x) - y at the start, sets y; > 0: positive drive", allowed="other than 0", only="loss=mse"
    )
    relative_residual: float | None = _key(
        None, f"(f(x) - y)/(‖x‖‖g‖) at the start, sets y ({DEFAULT_RELATIVE_RESIDUAL:g} if neither is given): by how "
        "many of its own lengths training moves the gradient g", allowed="other than 0", only="loss=mse",
    )  # fmt: skip
    loss: str = _key("mse", "loss of one sample", choices=LOSSES)

    engine: str = _key("auto", "explicit engine; auto: events for relu and mse, else numba", choices=ENGINES)
    seed: int = _key(0, "seed of input, network and piece", allowed="0 ... 2147483647")

    def __post_init__(self) -> None:
        for name, kinds in _types().items():
            value = getattr(self, name)
            object.__setattr__(self, name, _checked(name, value, kinds))
        for group in ALTERNATIVES:
            given = [name for name in group if getattr(self, name) is not None]
            require(len(given) <= 1, f"{' and '.join(given)} are given together: allowed is one of {', '.join(group)}")
        for name in ("residual", "relative_residual"):
            residual = getattr(self, name)
            require(residual != 0, f"{name} = 0: allowed is a number other than 0 (nothing would be trained)")
            require(
                residual is None or self.loss == "mse",
                f"{name} = {residual} with loss = logistic: allowed is label = -1 or 1",
            )
        require(0 <= self.seed < 2**31, f"seed = {self.seed}: allowed is 0 ... 2147483647")
        require(self.dim >= 4 or self.source == "tiles", f"dim = {self.dim}: allowed is >= 4 (cut-off >= 1)")
        require(self.tile_size >= 2, f"tile_size = {self.tile_size}: allowed is >= 2")
        for name in ("width", "n_steps"):
            require(getattr(self, name) >= 1, f"{name} = {getattr(self, name)}: allowed is >= 1")
        for name in ("learning_rate", "relative_rate"):
            rate = getattr(self, name)
            require(rate is None or rate > 0, f"{name} = {rate}: allowed is > 0")
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
        """Rough bytes of a run: the weights, and what every step records of units, gradient and spectra."""
        per_step = 3 * self.width + 8 * self.input_dim
        return 8 * (2 * self.width * self.input_dim + (self.n_steps + 1) * per_step)

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


def _types() -> dict[str, tuple[type, ...]]:
    """Allowed types of every key, NoneType where the key may be absent."""
    hints = get_type_hints(Configuration)
    return {f.name: get_args(hints[f.name]) or (hints[f.name],) for f in fields(Configuration)}


def _checked(name: str, value: Any, kinds: tuple[type, ...]) -> Any:
    """`value` as its field's type (an int where a float is allowed becomes one); InputError otherwise."""
    metadata = next(f.metadata for f in fields(Configuration) if f.name == name)
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
        require(number and isinstance(value, int), f"{name} = {value!r}: allowed is {allowed}")
        return value
    allowed = f"a number {metadata['allowed']}"
    require(number, f"{name} = {value!r}: allowed is {allowed}")
    # Beyond these sizes products of energies leave float64 before any training; NaN fails here too.
    fits = value == 0 or SMALLEST <= abs(value) <= LARGEST
    require(fits, f"{name} = {value}: allowed is {allowed}, of size {SMALLEST:g} ... {LARGEST:g}")
    return float(value)


def load_configuration(path: Path | None = None, settings: Sequence[str] = ()) -> Configuration:
    """Defaults, overridden by `read_values`. Raises InputError as `read_values` and `Configuration` do."""
    return Configuration(**read_values(path, settings))


def read_values(path: Path | None = None, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The keys given by a TOML file, overridden by `key=value` settings in their order; types are not checked here.

    Values are written as in TOML; a word needs no quotes. Raises InputError on an unreadable file, a syntax error and
    an unknown key (naming the near ones).
    """
    values = _without_alternatives({}, _read_toml(path)) if path is not None else {}
    return _without_alternatives(values, _parse_settings(settings))


def _without_alternatives(earlier: Mapping[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Both merged: what is given later wins, also over its alternative given earlier."""
    for name in later:
        _require_known(name)
    merged = dict(earlier)
    for group in ALTERNATIVES:
        if any(name in later for name in group):
            for name in group:
                merged.pop(name, None)
    return merged | later


def _require_known(name: str) -> None:
    known = [f.name for f in fields(Configuration)]
    if name not in known:
        near = difflib.get_close_matches(name.replace("-", "_"), known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"allowed are {', '.join(known)}"
        raise InputError(f"unknown key {name!r}: {hint}")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"cannot read configuration {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"configuration {path} is not TOML: {error}") from None


def _parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        name, text = name.strip(), text.strip()
        require(bool(equals and name), f"--set {setting!r}: allowed is key=value")
        _require_known(name)
        values[name] = _parse_value(text, bare=str in _types()[name])
    return values


def _parse_value(text: str, bare: bool) -> Any:
    """A TOML value; `bare` text that is no TOML string, or text that is no TOML value at all, stands for itself."""
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = document["value"]
    return text if set(document) != {"value"} or (bare and not isinstance(value, str)) else value


def without_effect(configuration: Configuration, given: Iterable[str]) -> list[str]:
    """Those of the `given` keys that do nothing in this run, each as "alpha (only with source = power-law)"."""
    idle, given = [], set(given)
    for f in fields(Configuration):
        key, _, words = f.metadata["only"].partition("=")
        if f.name in given and key and getattr(configuration, key) not in words.split(","):
            idle.append(f"{f.name} (only with {key} = {' or '.join(words.split(','))})")
    return idle


def describe() -> list[tuple[str, str, str, str]]:
    """(key, default, allowed, meaning) of every key, in order."""
    rows = []
    for f in fields(Configuration):
        default = "" if f.default is None else f"{f.default:g}" if isinstance(f.default, float) else str(f.default)
        allowed = ", ".join(f.metadata["choices"]) or f.metadata["allowed"]
        rows.append((f.name, default, allowed, f.metadata["doc"]))
    return rows
