"""The subcommands that need neither side; importing them imports nothing heavy."""
