"""The sweep's CUDA engine: hand-written kernels, one block a network, the whole training inside one launch.

source.py joins the kernels with the names and layouts of the Python side; device.py holds CuPy, imported when used;
engine.py runs a batch, group.py a group of points as the CPU does. The kernels are tested without a GPU by the
emulator in tests/cuda.
"""
