"""What the data folder holds: corpora found, described, compared, sampled."""
