"""Where voxels are, what they hold, which random stream draws what, and how errors speak."""
