"""The CUDA source of the sweep's engine as one text: names and layouts as Python has them, then the files beside this.

One text needs no include path, and a compiler's cache cannot miss a change of an included file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from theory_sim import counter_random
from theory_sim.descent.trajectory import LARGEST
from theory_sim.network import ACTIVATIONS, OUTER_LAWS
from theory_sim.sweep import batch, course
from theory_sim.sweep.validity import AT_START
from theory_sim.training import LOSSES

FILES = ("random.cuh", "block.cuh", "network.cuh", "relu.cuh", "smooth.cuh", "train.cu")
KERNELS = ("train<false>", "train<true>")  # ReLU, smooth activations
TILE = 16  # steps of a smooth network whose gradients are made at once
STATUS = ("valid", *AT_START)  # how a network ended
ROWS = (
    "OUTPUT", "RESIDUAL", "ACTIVE_NORM2", "MEAN_CURVATURE", "LOW_ENERGY", "HIGH_ENERGY", "LOW_CROSS", "HIGH_CROSS",
    "CROSSINGS",
)  # fmt: skip
_TYPES = {"f8": "double", "i8": "long long"}


def source(files: Sequence[str] = FILES) -> str:
    """The prelude and the named files, each with its own line numbers; ASCII, for compilers that take nothing else."""
    folder = Path(__file__).parent
    parts = [f'#line 1 "{name}"\n{(folder / name).read_text(encoding="utf-8")}' for name in files]
    return "\n".join([prelude(), *parts]).encode("ascii", "replace").decode()  # only comments have other characters


def prelude() -> str:
    """Enumerations and the layout of a point, as theory_sim's own tables have them."""
    values = {name: getattr(course, name) for name in (*ROWS, "N_ROWS", "N_PROBES")}
    values |= {"RATE_GIVEN": batch.RATE, "RATE_RELATIVE": batch.RELATIVE_RATE}
    values |= {"LABEL_GIVEN": batch.LABEL, "LABEL_RESIDUAL": batch.RESIDUAL}
    values |= {"LABEL_RELATIVE": batch.RELATIVE_RESIDUAL, "LABEL_OPPOSITE": batch.OPPOSITE}
    values |= {"TILE": TILE, "STREAM_WEIGHTS": counter_random.WEIGHTS, "STREAM_OUTER": counter_random.OUTER}
    for prefix, words in (("", ACTIVATIONS), ("OUTER_", OUTER_LAWS), ("LOSS_", LOSSES), ("STATUS_", STATUS)):
        values |= {f"{prefix}{word.upper().replace(' ', '_')}": code for code, word in enumerate(words)}
    enumeration = "enum {\n" + "".join(f"    {name} = {value},\n" for name, value in values.items()) + "};\n"
    return enumeration + f"#define LARGEST {LARGEST!r}\n" + _struct("Point", batch.POINT)


def _struct(name: str, dtype: np.dtype[Any]) -> str:
    fields = (f"    {_TYPES[dtype[field].str[1:]]} {field};\n" for field in dtype.names or ())
    return f"struct {name} {{\n{''.join(fields)}}};\n"
