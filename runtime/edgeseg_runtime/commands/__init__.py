"""The runtime's subcommands; importing them imports nothing heavy."""
