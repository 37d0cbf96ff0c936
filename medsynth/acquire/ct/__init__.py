"""Computed tomography."""
