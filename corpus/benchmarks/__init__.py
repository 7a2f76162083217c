"""Readers of the benchmarks' published files: scores and the overlap report read the same texts."""
