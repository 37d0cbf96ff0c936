"""Lesions of the pelvis."""
