"""Training: the loop, its optimizer, its guard, and the checkpoints it resumes from."""
