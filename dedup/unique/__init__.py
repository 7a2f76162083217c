"""The stage documents -> unique documents: exact and near-duplicates out, oldest link stays."""
