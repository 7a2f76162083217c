"""What `webtext doctor` looks at: the machine, the servers it is told of, the data folder."""
