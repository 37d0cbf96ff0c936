"""Pulse sequences: what each asks of a protocol, when it measures, and what signal each kind of spins gives."""
