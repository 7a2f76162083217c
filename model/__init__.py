"""Token shards -> checkpoint: GPT-2, its training loop, sampling and tracking."""
