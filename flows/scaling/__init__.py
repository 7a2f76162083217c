"""A family of sizes measured: the stage "scaling", and the line through its points."""
