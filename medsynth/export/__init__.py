"""Writers for other people's readers."""
