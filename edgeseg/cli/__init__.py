"""The command line: discovery of commands, options of all, errors in one line."""
