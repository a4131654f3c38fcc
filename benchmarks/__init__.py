"""Our code beside what a user would otherwise take, timed in one run: `python -m benchmarks theory`."""
