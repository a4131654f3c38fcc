"""The words on axes and in captions: one table for the keys of a configuration, CF attributes for variables."""

from __future__ import annotations

import re
from typing import Any

import xarray as xr

from theory_sim.sweep.schema import CLAIM, FREQUENCY, RECORD, VERSION

# key: words, symbol, unit ("" where there is none)
KEYS: dict[str, tuple[str, str, str]] = {
    "source": ("kind of input", "", ""),
    "dim": ("input dimension", "d", ""),
    "alpha": ("input spectrum exponent", "α", ""),
    "alpha0": ("input mean", "α₀ = |x̂[0]|", ""),
    "picture": ("picture", "", ""),
    "piece": ("piece of the picture", "", ""),
    "tile_size": ("tile size", "", "pixels"),
    "width": ("hidden units", "m", ""),
    "activation": ("activation", "σ", ""),
    "sharpness": ("sharpness of σ", "b", ""),
    "leak": ("leak of σ", "", ""),
    "outer_law": ("law of the outer weights", "a", ""),
    "outer_scale": ("scale of the outer weights", "a", ""),
    "weight_law": ("law of the inner weights", "W", ""),
    "weight_scale": ("scale of the inner weights", "W", ""),
    "cutoff": ("cut-off", "$k_c$", "cycles per input"),
    "convention": ("band sum", "", ""),
    "mask": ("shape of the low band", "", ""),
    "transform": ("transform", "", ""),
    "learning_rate": ("learning rate", "η", ""),
    "relative_rate": ("relative rate", "r = η‖a′‖²‖x‖²", ""),
    "n_steps": ("training steps", "", ""),
    "label": ("label", "y", ""),
    "residual": ("residual at the start", "f−y", ""),
    "relative_residual": ("relative residual", "(f−y)/(‖x‖‖g‖)", ""),
    "loss": ("loss", "ℓ", ""),
    "engine": ("engine", "", ""),
    "seed": ("seed", "", ""),
    "attack": ("attack", "", ""),
    "attack_radius": ("radius of the attack", "ε", ""),
    "attack_step_size": ("step size of the attack", "ξ", ""),
    "attack_steps": ("steps of the attack", "", ""),
    "attack_step": ("kind of the attack's steps", "", ""),
    "attack_ball": ("ball of the attack", "", ""),
    "attack_start": ("start of the attack", "", ""),
    RECORD: ("share of the training steps", "", ""),
    CLAIM: ("claim", "", ""),
    VERSION: ("statement", "", ""),
    FREQUENCY: ("frequency", "|k|", "cycles per input"),
}
# A plain name with a plain index, as in `S_l` or `Δτ_h`, and the two steps of Theorem 1.
_INDEX, _STEP = re.compile(r"(?<![A-Za-z_])(Δ?\w)_([a-z])(?![A-Za-z_])"), re.compile(r"\bt([01])\b")


def words(key: str) -> str:
    """What a key is called in running text: "learning rate"."""
    return KEYS[key][0] if key in KEYS else key.replace("_", " ")


def key_label(key: str) -> str:
    """The label of a key's axis: words, symbol and unit."""
    name, symbol, unit = KEYS.get(key, (words(key), "", ""))
    return " ".join(part for part in (name, symbol, f"({unit})" if unit else "") if part)


def value_text(value: Any) -> str:
    """A number in as few digits as tell it from its neighbours in a list, a word as it is."""
    if isinstance(value, str):
        return value.replace("_", " ")
    return f"{value:.6g}" if float(value).is_integer() and abs(value) < 1e6 else f"{value:.3g}"


def setting_text(key: str, value: Any) -> str:
    """One value of a key: "learning rate η = 0.01", or the word alone where it says enough ("relu")."""
    if isinstance(value, str):
        return value_text(value) if key in ("activation", "loss", CLAIM) else f"{words(key)}: {value_text(value)}"
    symbol = KEYS[key][1].split(" = ")[0] if key in KEYS else ""
    return f"{words(key)} {symbol}".strip() + f" = {value_text(value)}"


def in_symbols(text: str) -> str:
    """Plain text of an attribute with its indices set as such."""
    text = _INDEX.sub(lambda match: f"${match[1]}_{match[2]}$", text)
    return _STEP.sub(lambda match: f"$t_{match[1]}$", text)


def variable_label(variable: xr.DataArray) -> str:
    """The label of a variable: its long_name, and its units where it has any."""
    units = str(variable.attrs.get("units", "1"))
    text = str(variable.attrs.get("long_name", words(str(variable.name))))
    return in_symbols(text) + ("" if units in ("1", "") else f" ({units})")
