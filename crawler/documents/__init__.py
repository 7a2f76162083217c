"""Pages -> documents: their main text."""
