"""What the body is made of: compositions, densities, X-ray attenuation, tube spectra and contrast agent, as data."""
