"""HTML pages: the report of a run, of an overlap, of matches."""
