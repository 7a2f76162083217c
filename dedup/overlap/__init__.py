"""How much of a text is in the training split: an n-gram index of it, and a table per text set."""
