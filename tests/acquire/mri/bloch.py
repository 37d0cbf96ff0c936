"""A second implementation: one isochromat at a time, rotations and exponentials in sequence. For tests alone."""

from __future__ import annotations

import numpy as np

X, Y = 0.0, np.pi / 2


def pulse(m, flip, phase=X):
    """Turn M about an axis in the plane; a 90 degree pulse about y turns z to x."""
    c, s = np.cos(phase), np.sin(phase)
    about = np.array([c, s, 0.0])
    k = np.array([[0, -about[2], about[1]], [about[2], 0, -about[0]], [-about[1], about[0], 0]])
    return (np.eye(3) + np.sin(flip) * k + (1 - np.cos(flip)) * k @ k) @ m


def free(m, seconds, t1, t2, turn=0.0):
    """Relax, and turn about z by `turn` radians."""
    e1, e2 = np.exp(-seconds / t1), np.exp(-seconds / t2)
    c, s = np.cos(turn), np.sin(turn)
    x, y, z = m
    return np.array([e2 * (c * x - s * y), e2 * (s * x + c * y), 1 + (z - 1) * e1])


def crushed(m):
    """Take away the transverse part, as a strong gradient does."""
    return np.array([0.0, 0.0, m[2]])


def isochromats(count=64):
    """Phases that one gradient lobe gives over a voxel."""
    return 2 * np.pi * np.arange(count) / count


def steady_spin_echo(t1, t2, tr, te, ti=None, repetitions=40):
    """Return the echo of 90-180, or of 180-TI-90-180, after many repetitions."""
    m = np.array([0.0, 0.0, 1.0])
    for _ in range(repetitions):
        if ti is not None:
            m = free(crushed(pulse(m, np.pi)), ti, t1, t2)
        m = pulse(crushed(m), np.pi / 2, Y)
        m = pulse(free(m, te / 2, t1, t2), np.pi)
        m = free(m, te / 2, t1, t2)
        echo = m[0]
        m = free(m, tr - te - (ti or 0.0), t1, t2)
    return echo


def train(t1, t2, spacing, flips, start=1.0, spins=256):
    """Return the echoes of 90-a-a-..., summed over isochromats that each gradient lobe spreads over all angles."""
    ms = [pulse(np.array([0.0, 0.0, start]), np.pi / 2, Y) for _ in range(spins)]
    echoes = []
    for flip in flips:
        ms = [free(m, spacing / 2, t1, t2, turn) for m, turn in zip(ms, isochromats(spins), strict=True)]
        ms = [pulse(m, flip) for m in ms]
        ms = [free(m, spacing / 2, t1, t2, turn) for m, turn in zip(ms, isochromats(spins), strict=True)]
        echoes.append(np.mean([m[0] + 1j * m[1] for m in ms]))
    return np.array(echoes), np.mean([m[2] for m in ms])


def spoiled(t1, t2, tr, flip, increment_deg, pulses=400, spins=200):
    """Return |signal| just after a pulse of a gradient echo with quadratic phase and one turn of dephasing per TR."""
    m = np.tile([0.0, 0.0, 1.0], (spins, 1))
    turn = isochromats(spins)
    e1, e2 = np.exp(-tr / t1), np.exp(-tr / t2)
    signals = []
    for n in range(pulses):
        phase = np.deg2rad(increment_deg * (n * (n + 1) // 2) % 360)
        m = pulse(m.T, flip, phase).T
        signals.append(abs((m[:, 0] + 1j * m[:, 1]).mean()))
        transverse = (m[:, 0] + 1j * m[:, 1]) * e2 * np.exp(1j * turn)
        m = np.stack([transverse.real, transverse.imag, 1 + (m[:, 2] - 1) * e1], axis=1)
    return np.mean(signals[-pulses // 4:])


def mprage(t1, tr, ti, flip, spacing, count, middle, efficiency, shots=12):
    """Return Mz before each excitation of one shot after many."""
    mz = 1.0
    first = ti - middle * spacing
    for _ in range(shots):
        mz = 1 - (1 + efficiency * mz) * np.exp(-first / t1)
        values = []
        for _ in range(count):
            values.append(mz)
            mz = 1 - (1 - mz * np.cos(flip)) * np.exp(-spacing / t1)
        mz = 1 - (1 - mz) * np.exp(-(tr - first - count * spacing) / t1)
    return np.array(values)
