"""Messages between coordinator and workers: their layout, sockets, keys, and assignments."""
