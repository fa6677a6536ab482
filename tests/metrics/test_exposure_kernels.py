"""The compiled loops against slow, obvious twins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pkpd.metrics.kernels import cumulative_area, terminal_fit

VALUES = arrays.arrays(float, st.integers(2, 12), elements=st.one_of(st.just(0.0), st.floats(1e-3, 1e3)))


def slow_area(time, conc, rule):
    total = [0.0]
    for t0, t1, a, b in zip(time[:-1], time[1:], conc[:-1], conc[1:], strict=True):
        log = a > 0 and b > 0 and a != b and (rule == 2 or (rule == 1 and b < a))
        total.append(total[-1] + (t1 - t0) * ((a - b) / np.log(a / b) if log else (a + b) / 2))
    return np.array(total)


def slow_fit(time, conc, skip, lloq, tolerance):
    """Regress ln C on the last 3, 4, ... points by least squares; best adjusted R2, most points among equals."""
    peak = int(np.argmax(conc))
    floor = lloq or 1e-6 * conc[peak]
    keep = [j for j in range(peak + skip, len(time)) if conc[j] > 0 and conc[j] >= floor]
    fits = []
    for n in range(3, len(keep) + 1):
        x, y = time[keep[-n:]], np.log(conc[keep[-n:]])
        slope, level = np.polyfit(x, y, 1)
        spread = np.sum((y - y.mean()) ** 2)
        if slope < -1e-12 and spread > 1e-20:
            r2 = 1 - np.sum((y - level - slope * x) ** 2) / spread
            fits.append((1 - (1 - r2) * (n - 1) / (n - 2), n, -slope))
    if not fits:
        return 0.0, 0.0, 0
    best = max(fit[0] for fit in fits)
    quality, n, rate = max((fit for fit in fits if fit[0] >= best - tolerance), key=lambda fit: fit[1])
    return rate, quality, n


@given(VALUES, st.sampled_from([0, 1, 2]))
def test_area_agrees_with_the_formula(conc, rule):
    time = np.cumsum(np.linspace(0, 1, len(conc)))
    area = np.empty((1, len(conc)))
    cumulative_area(time, conc[None], rule, area)
    np.testing.assert_allclose(area[0], slow_area(time, conc, rule), rtol=1e-9, atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1]), st.sampled_from([0.0, 0.05]))
def test_terminal_fit_agrees_with_least_squares(seed, skip, lloq):
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0, 30, rng.integers(3, 20)))
    conc = np.exp(-rng.uniform(0.01, 0.3) * time + 0.2 * rng.standard_normal(len(time)))
    conc[rng.random(len(time)) < 0.1] = 0.0
    fits = np.empty((1, 5))
    terminal_fit(time, conc[None], skip, lloq, 0, 1e-4, fits)
    rate, quality, n = slow_fit(time, conc, skip, lloq, 1e-4)
    np.testing.assert_allclose(fits[0, :2], (rate, quality), rtol=1e-8, atol=1e-10)
    assert fits[0, 2] == n


def test_few_points_are_told_from_a_rising_end():
    fits = np.empty((2, 5))
    terminal_fit(np.arange(5.0), np.array([[9.0, 1, 2, 3, 4], [1, 2, 9, 3, 2]]), 1, 0.0, 0, 1e-4, fits)
    assert fits[0, 4] > 0
    assert fits[1, 4] == 0
    assert (fits[:, 0] == 0).all()
