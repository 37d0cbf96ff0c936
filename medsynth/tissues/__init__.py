"""What tissues are made of, and how strongly they attenuate."""
