"""The language model: what can be asked of it, and who answers."""
