"""Side by side with a peer, in one run: `python -m benchmarks.NAME`, a ratio on the last line."""
