"""Lesion families of the chest: one module each."""
