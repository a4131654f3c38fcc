"""Hyper-parameter sweeps of the two-layer network by the million: `python -m theory_sim sweep`.

definition.py reads what is swept; validity.py names impossible combinations; engine/ trains a batch of networks
exactly and hands the course of each to measure.py; schema.py lists what is stored; store.py, execution.py and
cluster.py compute chunk by chunk into one Zarr store; export.py and plots/ read nothing but that store.
"""
