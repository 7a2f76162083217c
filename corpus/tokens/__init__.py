"""The tokens stage, and how training reads what it wrote."""
