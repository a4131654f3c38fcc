"""ResNets for CIFAR-10 on hand-written kernels, forward and backward."""

from __future__ import annotations

import os
from pathlib import Path

from theory_sim.compiled_code import keep_code_of

# Before any kernel is declared. How many lanes a vector has is the one choice that sources do not show.
keep_code_of(Path(__file__).parent, os.environ.get("DEEP_CHECK_LANES", ""))
