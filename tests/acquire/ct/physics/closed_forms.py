"""Ellipses whose line integrals and areas are known."""

import numpy as np


def chord_mm(start, direction, ellipse):
    """Length of rays (..., 2) within the ellipse (x, y, semi-axis a, semi-axis b, angle of a in rad)."""
    x, y, a, b, tilt = ellipse
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]]) / np.array([[a], [b]])
    p, d = (start - [x, y]) @ turn.T, direction @ turn.T
    dd, pd, pp = (d * d).sum(-1), (p * d).sum(-1), (p * p).sum(-1)
    return 2 * np.sqrt(np.maximum(pd**2 - dd * (pp - 1), 0)) / dd


def rays(scanner, within=0.0):
    """Start and unit direction (view, channel, 2) of the rays at `within` (-0.5 .. 0.5) of each channel's width."""
    angles, edges = scanner.angles_rad()[:, None], scanner.edges()
    at = (edges[1:] * (0.5 + within) + edges[:-1] * (0.5 - within))[None]
    if scanner.geometry == "parallel":
        start = np.stack([at * np.cos(angles), at * np.sin(angles)], -1)
        direction = np.stack([-np.sin(angles), np.cos(angles)], -1) + 0 * start
        return start, direction
    start = scanner.sid_mm * np.stack([np.sin(angles), -np.cos(angles)], -1) + np.zeros((*at.shape, 2))
    return start, np.stack([-np.sin(angles - at), np.cos(angles - at)], -1)


def mean_chord_mm(scanner, ellipse, order=12):
    """(view, channel) mean chord over the width of every channel, by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    return sum(w / 2 * chord_mm(*rays(scanner, n / 2), ellipse) for n, w in zip(nodes, weights, strict=True))


def coverage(shape, pixel_mm, corner_mm, ellipse, parts=16):
    """(j, i) share of every pixel inside the ellipse; pixels at the rim by parts x parts samples."""
    x0, y0, a, b, tilt = ellipse

    def inside(x, y):
        u = ((x - x0) * np.cos(tilt) + (y - y0) * np.sin(tilt)) / a
        v = (-(x - x0) * np.sin(tilt) + (y - y0) * np.cos(tilt)) / b
        return u, v, u * u + v * v < 1

    x = corner_mm[0] + (np.arange(shape[1]) + 0.5) * pixel_mm
    y = corner_mm[1] + (np.arange(shape[0]) + 0.5) * pixel_mm
    u, v, share = inside(x[None, :], y[:, None])
    share = share.astype(np.float32)
    rim = np.argwhere(np.abs(np.hypot(u, v) - 1) < 1.5 * pixel_mm / min(a, b))
    steps = ((np.arange(parts) + 0.5) / parts - 0.5) * pixel_mm
    for j, i in rim:
        share[j, i] = inside(x[i] + steps[None, :], y[j] + steps[:, None])[2].mean()
    return share
