"""One training run beside what the theory predicts for it: `python -m theory_sim simulate`.

start.py draws input and network; predictions.py and bounds.py say what the theory expects; run.py puts all of it into
one xarray Dataset; summary.py, tables.py, storage.py and `theory_sim.plots` read nothing but that Dataset.
"""
