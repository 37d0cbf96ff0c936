"""Lesions of bone."""
