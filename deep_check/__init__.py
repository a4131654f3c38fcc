"""ResNets for CIFAR-10 on hand-written kernels, forward and backward."""
