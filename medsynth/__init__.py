"""medsynth: labelled synthetic medical images from anatomy and physics, with no patient data."""

__version__ = "0.1.0"
