"""The operations of the network: of each an obvious reference, kernels for the CPU and kernels for CUDA."""
