"""The two-layer network of Fig. 11 on CIFAR-10: ten outputs, the outer layer fixed; and what theory predicts of it."""

from deep_check.two_layer.network import TwoLayer

__all__ = ["TwoLayer"]
