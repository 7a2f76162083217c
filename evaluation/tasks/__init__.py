"""The tasks of the paper, a file each."""
