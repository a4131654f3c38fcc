"""ResNets for CIFAR-10 on hand-written kernels: does a real deep net show what the theory says?"""
