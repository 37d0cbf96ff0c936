"""Lesion families: shape, tissue, where they may grow."""
