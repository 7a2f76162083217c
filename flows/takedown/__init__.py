"""What a takedown concerns: found, planned, told."""
