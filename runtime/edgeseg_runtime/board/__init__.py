"""The worker: the process on a board, from the messages it hears to the pieces it runs."""
