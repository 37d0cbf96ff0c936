"""Extended phase graphs of trains of spin echoes and of gradient echoes spoiled by radio-frequency phase.

J. Hennig 1988 doi:10.1016/0022-2364(88)90128-X; M. Weigel 2015 doi:10.1002/jmri.24619.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medsynth.acquire.mri import epg_kernels as kernels

Array = NDArray[np.float64]

SPOILED_PULSES = (120, 3000)  # least and most; between them so many that the start has decayed to `SETTLED`
SPOILED_ORDERS = (16, 400)  # configurations kept, likewise
SETTLED = 1e-4
SPOILER_PER_MM = 1.0  # turns of dephasing per mm and TR (unverified: one turn over a voxel or two)


def refocusing_train(count: int, flip_rad: float) -> Array:
    """Return the flip angles of a train that starts near its pseudo-steady state: the first is 90 degrees + a / 2.

    D. Alsop 1997 doi:10.1002/mrm.1910370206.
    """
    flips = np.full(count, flip_rad)
    flips[0] = np.pi / 2 + flip_rad / 2
    return flips


def spin_echo_train(t1_s: ArrayLike, t2_s: ArrayLike, *, spacing_s: float, refocusing_rad: ArrayLike,
                    excitation_rad: float = np.pi / 2, start: ArrayLike = 1.0
                    ) -> tuple[NDArray[np.complex128], Array]:
    """Return the echoes of a train (pools, echoes), and Mz after it (pools,), for proton density 1.

    Parameters
    ----------
    start : longitudinal magnetisation before the excitation.

    Examples
    --------
    >>> echoes, _ = spin_echo_train([1.0], [0.08], spacing_s=0.01, refocusing_rad=[np.pi] * 3)
    >>> np.round(echoes.real, 4).tolist()
    [[0.8825, 0.7788, 0.6873]]
    """
    t1, t2 = (np.ascontiguousarray(np.atleast_1d(times), np.float64) for times in (t1_s, t2_s))
    flips = np.ascontiguousarray(refocusing_rad, np.float64)
    first = np.ascontiguousarray(np.broadcast_to(np.asarray(start, np.float64), t1.shape))
    echoes = np.zeros((len(t1), len(flips)), np.complex128)
    left = kernels.spin_echo_train(t1, t2, first, float(excitation_rad), flips, float(spacing_s), echoes)
    return echoes, left


def spoiled_gradient_echo(t1_s: ArrayLike, t2_s: ArrayLike, *, tr_s: float, flip_rad: float, increment_deg: float,
                          adc_mm2_s: ArrayLike = 0.0) -> Array:
    """Return |F+| just after the pulse in the steady state of quadratic phase cycling, (pools,), density 1.

    Parameters
    ----------
    adc_mm2_s : diffusion along the spoiler of `SPOILER_PER_MM`, which takes the coherences of fluids away.
    """
    t1, t2 = (np.ascontiguousarray(np.atleast_1d(times), np.float64) for times in (t1_s, t2_s))
    damping = np.broadcast_to(np.asarray(adc_mm2_s, float), t1.shape) * tr_s * (2 * np.pi * SPOILER_PER_MM) ** 2
    lost = -np.log(SETTLED)
    with np.errstate(divide="ignore"):
        reached = np.cbrt(3 * lost / damping)  # the order whose way up diffusion has damped to `SETTLED`
    orders = np.minimum(lost * t2 / tr_s, reached)
    pulses = 4 / 3 * (lost / (tr_s / t1 - np.log(np.maximum(np.cos(flip_rad), 1e-6))) + lost * t2 / tr_s)
    counts = [np.clip(np.ceil(wanted), *limits).astype(np.int64)
              for wanted, limits in ((pulses, SPOILED_PULSES), (orders + 2, SPOILED_ORDERS))]
    return np.asarray(kernels.spoiled_steady_state(t1, t2, np.ascontiguousarray(damping), float(tr_s), float(flip_rad),
                                                   float(increment_deg), *counts))
