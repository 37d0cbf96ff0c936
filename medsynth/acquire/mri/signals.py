"""Signal equations in closed form: the transverse magnetisation at the echo for protons of density 1.

Times in s, angles in rad; every argument may be an array, they broadcast. Signs are kept: a magnetisation that has not
passed its null is negative, so that partial volume cancels as it does in a scanner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def spin_echo(t1_s: ArrayLike, t2_s: ArrayLike, *, tr_s: float, te_s: float) -> Array:
    """Return the steady state of 90-180: [1 - 2 exp(-(TR - TE/2)/T1) + exp(-TR/T1)] exp(-TE/T2).

    Examples
    --------
    >>> round(float(spin_echo(0.8, 0.08, tr_s=0.5, te_s=0.02)), 5)
    0.35145
    """
    t1, t2 = np.asarray(t1_s, float), np.asarray(t2_s, float)
    return np.asarray((1 - 2 * np.exp(-(tr_s - te_s / 2) / t1) + np.exp(-tr_s / t1)) * np.exp(-te_s / t2))


def inversion_recovery(t1_s: ArrayLike, t2_s: ArrayLike, *, tr_s: float, te_s: float, ti_s: float) -> Array:
    """Return the steady state of 180 - TI - 90 - 180, perfect pulses, signed.

    1 - 2 exp(-TI/T1) + 2 exp(-(TR - TE/2)/T1) - exp(-TR/T1), times exp(-TE/T2); TI runs from inversion to excitation,
    TR from inversion to inversion.
    """
    t1, t2 = np.asarray(t1_s, float), np.asarray(t2_s, float)
    longitudinal = 1 - 2 * np.exp(-ti_s / t1) + 2 * np.exp(-(tr_s - te_s / 2) / t1) - np.exp(-tr_s / t1)
    return np.asarray(longitudinal * np.exp(-te_s / t2))


def null_inversion_s(t1_s: float, tr_s: float) -> float:
    """Return the inversion time that nulls this T1: T1 ln(2 / (1 + exp(-TR/T1)))."""
    return float(t1_s * np.log(2 / (1 + np.exp(-tr_s / t1_s))))


def spoiled_gradient_echo(t1_s: ArrayLike, t2_star_s: ArrayLike, *, tr_s: float, te_s: float,
                          flip_rad: ArrayLike) -> Array:
    """Return the ideally spoiled steady state (Ernst): sin a (1 - E1) / (1 - cos a E1) exp(-TE/T2*)."""
    e1 = np.exp(-tr_s / np.asarray(t1_s, float))
    flip = np.asarray(flip_rad, float)
    return np.asarray(np.sin(flip) * (1 - e1) / (1 - np.cos(flip) * e1) * np.exp(-te_s / np.asarray(t2_star_s, float)))


def ernst_rad(t1_s: float, tr_s: float) -> float:
    """Return the flip angle of the strongest spoiled signal, cos a = exp(-TR/T1)."""
    return float(np.arccos(np.exp(-tr_s / t1_s)))


def inflow_gradient_echo(t1_s: ArrayLike, t2_star_s: ArrayLike, *, tr_s: float, te_s: float, flip_rad: float,
                         pulses: ArrayLike) -> Array:
    """Return the spoiled signal of blood that enters relaxed and leaves after `pulses` excitations, their mean.

    After n pulses Mz = Mss + (1 - Mss) q^n with q = cos a E1; the volume holds blood of every n below `pulses` alike.
    """
    t1 = np.asarray(t1_s, float)
    e1 = np.exp(-tr_s / t1)
    q = np.cos(flip_rad) * e1
    steady = (1 - e1) / (1 - q)
    n = np.maximum(np.asarray(pulses, float), 1.0)
    fresh = (1 - q**n) / (n * (1 - q))
    return np.asarray(np.sin(flip_rad) * (steady + (1 - steady) * fresh)
                      * np.exp(-te_s / np.asarray(t2_star_s, float)))


def balanced_on_resonance(t1_s: ArrayLike, t2_s: ArrayLike, *, tr_s: float, flip_rad: float) -> Array:
    """Return balanced SSFP with alternating phase, on resonance, echo at TR/2."""
    e1, e2 = np.exp(-tr_s / np.asarray(t1_s, float)), np.exp(-tr_s / np.asarray(t2_s, float))
    c = np.cos(flip_rad)
    return np.asarray(np.sin(flip_rad) * (1 - e1) / (1 - (e1 - e2) * c - e1 * e2) * np.sqrt(e2))


def balanced(t1_s: ArrayLike, t2_s: ArrayLike, *, tr_s: float, te_s: float, flip_rad: float,
             offset_rad: float) -> NDArray[np.complex128]:
    """Return balanced SSFP with alternating phase at any off-resonance: the 3 x 3 steady state (Freeman & Hill 1971).

    Parameters
    ----------
    offset_rad : phase that off-resonance gives in one TR; the bands lie at odd multiples of pi.

    Returns
    -------
    Complex transverse magnetisation at the echo, without the off-resonance phase between excitation and echo.
    """
    t1, t2 = np.broadcast_arrays(np.asarray(t1_s, float), np.asarray(t2_s, float))
    pulse = np.array([[1, 0, 0], [0, np.cos(flip_rad), np.sin(flip_rad)], [0, -np.sin(flip_rad), np.cos(flip_rad)]])
    angle = offset_rad + np.pi  # the alternation of the pulse's phase, as a turn of the spins
    turn = np.array([[np.cos(angle), np.sin(angle), 0], [-np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    e1, e2 = np.exp(-tr_s / t1), np.exp(-tr_s / t2)
    decay = np.zeros((*t1.shape, 3, 3))
    decay[..., 0, 0] = decay[..., 1, 1] = e2
    decay[..., 2, 2] = e1
    period = pulse @ turn @ decay  # from just after a pulse to just after the next
    recovered = np.zeros((*t1.shape, 3, 1))
    recovered[..., 2, 0] = 1 - e1
    state = np.linalg.solve(np.eye(3) - period, pulse @ recovered)[..., 0]
    return np.asarray((state[..., 1] - 1j * state[..., 0]) * np.exp(-te_s / t2), np.complex128)


def diffusion(adc_mm2_s: ArrayLike, b_s_mm2: float) -> Array:
    """Return exp(-b D)."""
    return np.asarray(np.exp(-b_s_mm2 * np.asarray(adc_mm2_s, float)))


def b_value_s_mm2(gradient_T_m: float, small_delta_s: float, big_delta_s: float) -> float:
    """Return b = (gamma G delta)^2 (Delta - delta / 3) of a pulsed-gradient spin echo, in s/mm^2."""
    return float((GAMMA_RAD_S_T * gradient_T_m * small_delta_s) ** 2 * (big_delta_s - small_delta_s / 3) * 1e-6)


GAMMA_RAD_S_T = 2.6752218744e8  # proton, shielded or not is no matter here (CODATA 2018)
GAMMA_HZ_T = GAMMA_RAD_S_T / (2 * np.pi)
