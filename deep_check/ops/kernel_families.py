"""The CUDA kernels of everything but the convolutions: their files, their names, and the constants both sides use."""

from __future__ import annotations

from collections.abc import Iterator

from deep_check.ops.loss_reference import LOSSES

THREADS = 256  # of a block
BATCH_NORM_TILE = 2048  # numbers of a channel that a block takes at once
MATRIX_TILE = 32  # rows and columns of a product that a block makes
MAX_SPLITS = 64  # parts that a channel's sums are taken in
RESIDUALS = ("NO_RESIDUAL", "IDENTITY", "SUBSAMPLED")
OPTIMIZER_SETTINGS = ("step", "learning_rate", "beta1", "beta2", "epsilon", "weight_decay", "momentum")
NORMALISE_VARIANTS = ((0, False), (0, True), (1, True), (2, True))  # residual, ReLU


def normalise_kernel(width: int, residual: int, relu: bool) -> str:
    """The name of an instance of batch_norm_normalise."""
    return f"batch_norm_normalise<{width}, {residual}, {str(relu).lower()}>"


def l2_kernel(step: bool, project: bool, clip: bool) -> str:
    """The name of an instance of l2_move."""
    return f"l2_move<{str(step).lower()}, {str(project).lower()}, {str(clip).lower()}>"


def _batch_norm_kernels() -> Iterator[str]:
    for width in (4, 1):
        for name in ("statistics", "evaluation", "gradient_sums", "gradient"):
            yield f"batch_norm_{name}<{width}>"
        for residual, relu in NORMALISE_VARIANTS:
            yield normalise_kernel(width, residual, relu)


def _codes(prefix: str, words: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    return tuple((prefix + word.upper(), code) for code, word in enumerate(words))


_COMMON = ("elementwise.cuh", "reduction.cuh")
_THREADS = (("THREADS", THREADS),)
# name: files, kernels, constants
FAMILIES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, int], ...]]] = {
    "batch_norm": (
        (*_COMMON, "batch_norm.cu"),
        tuple(_batch_norm_kernels()),
        (
            *_THREADS,
            ("BATCH_NORM_TILE", BATCH_NORM_TILE),
            ("MAX_SPLITS", MAX_SPLITS),
            *_codes("", RESIDUALS),
        ),
    ),
    "small": (
        (
            *_COMMON,
            "rows.cuh",
            "gather.cu",
            "relu.cu",
            "shortcut.cu",
            "pool.cu",
            "linear.cu",
            "loss.cu",
            "optimizer.cu",
            "augment.cu",
            "attack_step.cu",
            "spectral_mask.cu",
        ),
        (
            "gather",
            "relu",
            "relu_gradient",
            "pack_signs",
            "shortcut",
            "shortcut_gradient",
            "global_average_pool",
            "global_average_pool_gradient",
            "multiply",
            "loss",
            "mean_of",
            "adam_begin",
            "adam_step",
            "sgd_step",
            "augment",
            "sign_step",
            "project_linf",
            "clip_box",
            "clip_box_gradient",
            "pgd_linf_step",
            l2_kernel(True, False, False),
            l2_kernel(False, True, False),
            l2_kernel(True, True, True),
            "spectral_mask",
        ),
        (*_THREADS, ("MATRIX_TILE", MATRIX_TILE), *_codes("LOSS_", LOSSES), *_codes("OPTIMIZER_", OPTIMIZER_SETTINGS)),
    ),
}
