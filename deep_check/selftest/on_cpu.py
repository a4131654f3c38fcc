"""The CPU's operations as the self-test calls them: NumPy arrays in, NumPy arrays out."""

from __future__ import annotations

from functools import partial

from deep_check.cpu.attack_network import AttackNetwork
from deep_check.cpu.training_network import TrainingNetwork
from deep_check.ops.attack_step_cpu import (
    clip_box,
    clip_box_gradient,
    l2_step,
    pgd_l2_step,
    pgd_linf_step,
    project_l2,
    project_linf,
    sign_step,
)
from deep_check.ops.augment_cpu import augment
from deep_check.ops.batch_norm_cpu import (
    batch_norm_evaluation,
    batch_norm_gradient,
    batch_norm_training,
    running_statistics,
)
from deep_check.ops.blocks import LANES
from deep_check.ops.conv2d_cpu import conv2d, conv2d_input_gradient, conv2d_weight_gradient
from deep_check.ops.linear_cpu import linear, linear_gradient
from deep_check.ops.loss_cpu import loss
from deep_check.ops.optimizer_cpu import adam_step, sgd_step
from deep_check.ops.pool_cpu import global_average_pool, global_average_pool_gradient
from deep_check.ops.shortcut_cpu import shortcut, shortcut_gradient
from deep_check.ops.spectral_mask_cpu import low_pass

__all__ = [
    "CONVOLUTIONS", "N_IMAGES", "adam_step", "attack_network", "augment", "batch_norm_evaluation",
    "batch_norm_gradient", "batch_norm_training", "clip_box", "clip_box_gradient", "global_average_pool",
    "global_average_pool_gradient", "l2_step", "linear", "linear_gradient", "loss", "low_pass", "pgd_l2_step",
    "pgd_linf_step", "project_l2", "project_linf", "running_statistics", "sgd_step", "shortcut",
    "shortcut_gradient", "sign_step", "training_network",
]  # fmt: skip

attack_network, training_network = AttackNetwork, TrainingNetwork
N_IMAGES = LANES + 1  # a whole block, and a block of one
# name, tolerance, forward, input gradient, weight gradient; fast takes Winograd's transform where it fits
CONVOLUTIONS = (
    ("fast", "winograd", conv2d, conv2d_input_gradient, conv2d_weight_gradient),
    (
        "direct",
        "sums",
        *(partial(function, fast=False) for function in (conv2d, conv2d_input_gradient, conv2d_weight_gradient)),
    ),
)
