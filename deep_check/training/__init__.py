"""Training: what a run is made of, its random draws, its steps, and how it goes on after an interruption."""
