"""Reddit's API -> submissions whose karma has matured."""
