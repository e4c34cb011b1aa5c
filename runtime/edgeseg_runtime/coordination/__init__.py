"""The coordinator: places pieces, sends slices through boards, tracks which boards are present.

Internal: :class:`edgeseg_runtime.Segmenter` is the public way in.
"""
