"""Lesions of the abdomen."""
