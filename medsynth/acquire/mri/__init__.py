"""Magnetic resonance imaging: contrast of tissues, k-space with its imperfections, reconstruction."""
