"""Lets a pruned network learn back what it lost, from the answers of the uncompressed one."""
