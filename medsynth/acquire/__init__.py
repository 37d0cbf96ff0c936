"""Scanners: phantom to image."""
