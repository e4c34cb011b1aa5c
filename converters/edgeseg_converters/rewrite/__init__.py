"""Passes that replace a network by an equivalent one, or by one with fewer channels."""
