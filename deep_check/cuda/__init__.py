"""Kernels in CUDA: their sources, the device they run on, and whole networks of them."""
