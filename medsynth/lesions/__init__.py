"""Lesions: each family knows its shape, its tissue and where it may grow."""
