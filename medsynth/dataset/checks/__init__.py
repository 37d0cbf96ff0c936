"""What `medsynth validate` checks, one module each."""
