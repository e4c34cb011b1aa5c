"""Messages between coordinator and workers: layout, sockets, keys, assignments."""
