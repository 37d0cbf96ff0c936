"""Injuries of the knee joint."""
