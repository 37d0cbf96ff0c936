"""What more than one modality needs: materials of structures, basis materials, how photons are detected."""
