"""Lesions of the breast."""
