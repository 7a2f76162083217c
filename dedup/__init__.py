"""Documents -> unique documents, and their overlap with benchmark texts."""
