"""Lesions of the brain and its coverings."""
