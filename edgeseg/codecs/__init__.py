"""Codecs: how a tensor becomes fewer bytes between boards, and an array again."""
