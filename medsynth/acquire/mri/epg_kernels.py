"""Compiled loops of extended phase graphs: configuration states F+, F-, Z of one pool of spins."""
# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def _pulse(plus, minus, z, last, flip, phase):
    """Mix the states of every order up to `last` by a pulse about the axis at `phase`."""
    c2, s2 = np.cos(flip / 2) ** 2, np.sin(flip / 2) ** 2
    s, c = np.sin(flip), np.cos(flip)
    turn = np.exp(1j * phase)
    for k in range(last + 1):
        a, b, m = plus[k], minus[k], z[k]
        plus[k] = c2 * a + turn * turn * s2 * b - 1j * turn * s * m
        minus[k] = np.conj(turn * turn) * s2 * a + c2 * b + 1j * np.conj(turn) * s * m
        z[k] = -0.5j * np.conj(turn) * s * a + 0.5j * turn * s * b + c * m


@njit(cache=True, nogil=True)
def _relax(plus, minus, z, last, e1, e2):
    for k in range(last + 1):
        plus[k] *= e2
        minus[k] *= e2
        z[k] *= e1
    z[0] += 1 - e1


@njit(cache=True, nogil=True)
def _dephase(plus, minus, last):
    """Shift transverse states by one order; states beyond the arrays are lost."""
    top = min(last + 1, len(plus) - 1)
    for k in range(top, 0, -1):
        plus[k] = plus[k - 1]
    for k in range(top):
        minus[k] = minus[k + 1]
    minus[top] = 0
    plus[0] = np.conj(minus[0])
    return top


@njit(cache=True, nogil=True)
def spin_echo_train(t1_s, t2_s, start, excitation, refocusing, spacing_s, echoes):
    """Write each pool's echoes of a CPMG train into (pools, echoes); return Mz after the last one, (pools,).

    start : (pools,) Mz before the excitation; refocusing : (echoes,) flip angles.
    """
    pools, count = echoes.shape
    left = np.zeros(pools)
    for p in range(pools):
        states = np.zeros((3, count + 2), np.complex128)
        plus, minus, z = states[0], states[1], states[2]
        e1, e2 = np.exp(-spacing_s / 2 / t1_s[p]), np.exp(-spacing_s / 2 / t2_s[p])
        z[0] = start[p]
        last = 0
        _pulse(plus, minus, z, last, excitation, np.pi / 2)
        for n in range(count):
            _relax(plus, minus, z, last, e1, e2)
            last = _dephase(plus, minus, last)
            _pulse(plus, minus, z, last, refocusing[n], 0.0)
            _relax(plus, minus, z, last, e1, e2)
            last = _dephase(plus, minus, last)
            echoes[p, n] = plus[0]
        left[p] = z[0].real
    return left


@njit(cache=True, nogil=True)
def spoiled_steady_state(t1_s, t2_s, damping, tr_s, flip, increment_deg, pulses, orders):
    """Return each pool's signal just after a pulse, the mean of the last quarter of its pulses, (pools,) magnitude.

    Pulse n has the phase increment_deg n (n + 1) / 2 and the receiver follows; the gradient dephases by one order per
    TR. Diffusion takes exp(-damping k^2) from longitudinal states of order k and exp(-damping (k^2 + k + 1/3)) from
    transverse ones on their way to the next order.
    """
    signal = np.zeros(len(t1_s))
    for p in range(len(t1_s)):
        states = np.zeros((3, orders[p]), np.complex128)
        plus, minus, z = states[0], states[1], states[2]
        e1, e2 = np.exp(-tr_s / t1_s[p]), np.exp(-tr_s / t2_s[p])
        k = np.arange(orders[p])
        longitudinal = np.exp(-damping[p] * k * k)
        rising = np.exp(-damping[p] * (k * k + k + 1 / 3))
        falling = np.exp(-damping[p] * (k * k - k + 1 / 3))
        z[0] = 1.0
        last, kept = 0, 0
        total = 0.0
        for n in range(pulses[p]):
            phase = np.deg2rad((increment_deg * (n * (n + 1) // 2)) % 360.0)
            _pulse(plus, minus, z, last, flip, phase)
            if n >= pulses[p] - pulses[p] // 4:
                total += abs(plus[0])
                kept += 1
            _relax(plus, minus, z, last, e1, e2)
            if damping[p] > 0:
                for m in range(last + 1):
                    plus[m] *= rising[m]
                    minus[m] *= falling[m]
                    z[m] *= longitudinal[m]
            last = _dephase(plus, minus, last)
        signal[p] = total / kept
    return signal
