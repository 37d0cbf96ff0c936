"""`python -m medsynth`: the same as the command `medsynth`."""

from __future__ import annotations

from medsynth.cli import app

if __name__ == "__main__":
    app(prog_name="medsynth")
