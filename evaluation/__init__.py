"""Checkpoint -> zero-shot scores: one file per task, one scorer."""
