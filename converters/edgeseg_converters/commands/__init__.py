"""The compiler's subcommands; importing one imports nothing heavy."""
