"""Where a sweep computes: what the options ask for, what the definition allows, and what this machine has."""

from __future__ import annotations

from theory_sim.errors import InputError, require
from theory_sim.gpu import lacking_gpu
from theory_sim.progress import Watch
from theory_sim.sweep.definition import SweepDefinition

DEVICES = ("auto", "cpu", "cuda")
# What the kernels do, see cuda/engine.py; everything else is left to the CPU.
_CUDA = {"weight_law": {"gaussian"}, "transform": {"dft"}}


def choose_device(word: str, definition: SweepDefinition, on_cluster: bool, watch: Watch) -> str:
    """`cpu` or `cuda`, of DEVICES. `auto` is CUDA where a GPU is here and can do the sweep; on a cluster it is the CPU.

    `cuda` on a cluster leaves it to the workers to have a GPU. Raises InputError if the word is another one, or asks
    for a GPU where none can be used or for what CUDA cannot do.
    """
    require(word in DEVICES, f"--device {word!r}: allowed are {', '.join(DEVICES)}")
    if word == "cpu" or (word == "auto" and on_cluster):
        return "cpu"
    lacking = "" if on_cluster else lacking_gpu()
    unable = _beyond_cuda(definition)
    if word == "cuda":
        for reason in filter(None, (unable, lacking)):
            raise InputError(f"--device cuda: {reason}")
        return word
    if lacking:
        return "cpu"
    if unable:
        watch.note(f"computed on the CPU: {unable}")
        return "cpu"
    return "cuda"


def _beyond_cuda(definition: SweepDefinition) -> str:
    """What of the definition only the CPU does, "" if nothing."""
    if definition.recording.draw == "scalars":
        return "record.draw = 'scalars' is for the CPU, allowed is 'weights'"
    for key, able in _CUDA.items():
        for value in sorted(set(definition.values(key).tolist()) - able):
            return f"{key} = {value!r} is for the CPU, allowed is {', '.join(able)!r}"
    return ""
