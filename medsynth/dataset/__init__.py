"""From a recipe to files: one case, many cases."""
