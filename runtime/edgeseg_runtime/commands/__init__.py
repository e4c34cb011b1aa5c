"""The runtime's subcommands: flags in, tables or JSON out; importing them imports nothing heavy."""
