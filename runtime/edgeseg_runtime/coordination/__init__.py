"""The coordinator: places pieces, sends slices through boards, and follows who comes and goes."""
