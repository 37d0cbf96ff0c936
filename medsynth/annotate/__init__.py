"""Measurements taken from the truth."""
