"""The bodies: shapes, tissues and numbers; found by medsynth through the entry-point group `medsynth.phantoms`."""
