"""Placements found quickly, without a proof."""
