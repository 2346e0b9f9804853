"""Neurons: threshold and height of the spike, exact rates, Novikoff's inequalities, units that remember."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import neurons


# ---------------------------------------------------------------------------------------------------------------------
# The squid's axon
# ---------------------------------------------------------------------------------------------------------------------
def test_rest_is_a_rest():
    axon = neurons.hodgkin_huxley(0.0, duration=50)
    assert np.abs(axon.potential).max() < 0.01  # the leak's 10.613 mV is rounded so that the currents cancel
    assert axon.time[-1] == pytest.approx(50)
    assert axon.sodium[0] == pytest.approx(axon.sodium[-1], rel=1e-2)


@pytest.mark.parametrize("gate", range(3))
def test_the_gates_at_rest_are_those_of_1952(gate):
    opening, closing = neurons._gate_rates(0.0)
    assert (opening / (opening + closing))[gate] == pytest.approx((0.0529, 0.5961, 0.3177)[gate], abs=1e-4)


def test_the_gates_rates_away_from_rest_are_those_of_1952():
    """m, h, n at u = 50, from the formulas as printed: 2.5 / (1 - e^-2.5), .07 e^-2.5, .4 / (1 - e^-4), and so on."""
    opening, closing = neurons._gate_rates(50.0)
    np.testing.assert_allclose(opening, [2.723563, 0.005746, 0.407463], rtol=1e-4)
    np.testing.assert_allclose(closing, [0.248707, 0.880797, 0.066908], rtol=1e-4)


@pytest.mark.parametrize("u", [25.0, 10.0])
def test_the_rates_have_no_hole_where_numerator_and_denominator_vanish(u):
    here, beside = neurons._gate_rates(u)[0], neurons._gate_rates(u + 1e-6)[0]
    np.testing.assert_allclose(here, beside, rtol=1e-6)


def test_a_kick_fires_a_whole_spike_or_none():
    heights = {kick: neurons.hodgkin_huxley(kick).potential[100:].max() for kick in (4, 6, 7, 15)}
    assert heights[4] < 4
    assert heights[6] < 6
    assert 100 < heights[7] < heights[15] < 108


def test_shorter_steps_change_little():
    coarse, fine = (neurons.hodgkin_huxley(15.0, dt=dt).potential.max() for dt in (0.01, 0.002))
    assert coarse == pytest.approx(fine, abs=0.5)


def runge_kutta(slope, state, dt, steps):
    """The states at 0, dt, 2 dt, ... by the classical method of fourth order."""
    states = [np.array(state, float)]
    for _ in range(steps):
        s = states[-1]
        k1 = slope(s)
        k2 = slope(s + dt / 2 * k1)
        k3 = slope(s + dt / 2 * k2)
        k4 = slope(s + dt * k3)
        states.append(s + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return np.array(states)


def axon_of_1952(state):
    """dV/dt, dm/dt, dh/dt, dn/dt as printed in 1952, with potentials above rest."""
    v, m, h, n = state
    alpha_m, beta_m = 0.1 * (25 - v) / (np.exp((25 - v) / 10) - 1), 4 * np.exp(-v / 18)
    alpha_h, beta_h = 0.07 * np.exp(-v / 20), 1 / (np.exp((30 - v) / 10) + 1)
    alpha_n, beta_n = 0.01 * (10 - v) / (np.exp((10 - v) / 10) - 1), 0.125 * np.exp(-v / 80)
    current = 120 * m**3 * h * (v - 115) + 36 * n**4 * (v + 12) + 0.3 * (v - 10.613)
    return np.array(
        [
            -current / 1.0,  # 1 µF/cm²
            alpha_m * (1 - m) - beta_m * m,
            alpha_h * (1 - h) - beta_h * h,
            alpha_n * (1 - n) - beta_n * n,
        ]
    )


@pytest.mark.parametrize("kick", [6.0, 7.0, 15.0, 90.0])
def test_the_whole_spike_is_that_of_an_independent_integration(kick):
    at_rest = 0.0529325, 0.5961208, 0.3176770  # m, h, n
    states = runge_kutta(axon_of_1952, [kick, *at_rest], 0.01, 1500)
    expected = states[:, 0], 120 * states[:, 1] ** 3 * states[:, 2], 36 * states[:, 3] ** 4
    coarse, fine = (neurons.hodgkin_huxley(kick, duration=15.0, dt=dt) for dt in (0.01, 0.005))
    for name, wanted in zip(("potential", "sodium", "potassium"), expected, strict=True):
        found = 2 * getattr(fine, name)[::2] - getattr(coarse, name)  # Euler's error of first order cancels
        assert np.abs(found - wanted).max() < 0.01 * np.abs(wanted).max()


def test_spikes_under_a_changing_drive_come_when_an_independent_integration_says():
    tau, threshold, refractory, dt, steps = 8.0, 14.0, 3.0, 0.005, 40_000
    drive = 14 + 9 * np.sin(2 * np.pi * dt * np.arange(steps + 1) / 37)
    u, resting, times, path = 0.0, 0.0, [], np.zeros(steps)
    for step in range(steps):
        if resting > 1e-9:
            resting -= dt
        else:  # exact for a drive that is constant over the step
            u = drive[step] + (u - drive[step]) * np.exp(-dt / tau)
        path[step] = u
        if u >= threshold:
            times.append(dt * (step + 1))
            u, resting = 0.0, refractory
    potential, spikes = neurons.leaky_integrate_and_fire(
        drive[:steps, None], tau=tau, threshold=threshold, refractory=refractory, dt=dt
    )
    found = dt * (np.flatnonzero(spikes[:, 0]) + 1)
    assert len(found) == len(times) > 5
    np.testing.assert_allclose(found, times, atol=0.1)
    first = round(times[0] / dt) - 5
    np.testing.assert_allclose(potential[:first, 0], path[:first], atol=0.01)


def test_sodium_comes_first_and_goes_first():
    axon = neurons.hodgkin_huxley(15.0)
    assert axon.sodium.argmax() < axon.potassium.argmax()
    assert axon.sodium.max() > 30 > 13 > axon.potassium.max()
    assert axon.sodium[400] < 0.1 < 1 < axon.potassium[400]  # at 4 ms


def test_a_stronger_kick_fires_sooner():
    times = [neurons.hodgkin_huxley(kick).potential.argmax() for kick in (7, 8, 15, 40)]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 4


def test_the_spike_ends_below_rest_and_returns():
    axon = neurons.hodgkin_huxley(15.0, duration=40)
    assert axon.potential.min() < -8
    assert abs(axon.potential[-1]) < 0.5


def test_bad_kicks_and_steps_are_named():
    with pytest.raises(ValueError, match="in millivolts above rest, a finite number, but got nan"):
        neurons.hodgkin_huxley(np.nan)
    with pytest.raises(ValueError, match=r"got dt = 1. Try 0\.01"):
        neurons.hodgkin_huxley(7, dt=1)


# ---------------------------------------------------------------------------------------------------------------------
# Leak and threshold
# ---------------------------------------------------------------------------------------------------------------------
@settings(max_examples=20)
@given(st.floats(5, 30), st.floats(5, 20), st.integers(0, 50), st.lists(st.floats(1.05, 4), min_size=5, max_size=5))
def test_from_spike_to_spike_the_simulation_is_right_to_a_step(tau, threshold, tenths, factors):
    neuron, dt = dict(tau=tau, threshold=threshold, refractory=tenths / 10), 0.1
    drive = threshold * np.array(factors)
    _, spikes = neurons.leaky_integrate_and_fire(np.tile(drive, (5000, 1)), dt=dt, **neuron)
    intervals, exact = 1000 / neurons.firing_rate(spikes, dt), 1000 / neurons.lif_rate(drive, **neuron)
    # Euler's own error is a share of dt / tau of the climb, the grid adds up to a step
    assert (np.abs(intervals - exact) <= 1.01 * dt + exact * dt / tau).all()


@given(st.floats(0, 1), st.floats(5, 30))
def test_up_to_the_threshold_nothing_fires_and_the_potential_is_the_closed_form(part, tau):
    drive, dt = 15.0 * part, 0.05
    potential, spikes = neurons.leaky_integrate_and_fire(np.full((1000, 1), drive), tau=tau, dt=dt)
    assert not spikes.any()
    assert neurons.lif_rate(drive, tau=tau) == 0
    time = dt * np.arange(1, 1001)
    np.testing.assert_allclose(potential[:, 0], drive * (1 - np.exp(-time / tau)), atol=0.003 * 15 + 1e-12)


@given(st.lists(st.floats(-20, 14), min_size=1, max_size=60), st.floats(1, 30))
def test_below_the_threshold_the_membrane_is_the_leaky_unit(drive, tau):
    x, decay = np.array(drive)[:, None], 1 - 0.1 / tau
    potential, spikes = neurons.leaky_integrate_and_fire(x, tau=tau)
    assert not spikes.any()
    h = neurons.run_unit(lambda h, x: decay * h + (1 - decay) * x, x)
    np.testing.assert_allclose(h, potential, rtol=0, atol=1e-12)


def test_after_a_spike_the_membrane_rests():
    potential, spikes = neurons.leaky_integrate_and_fire(np.full((600, 1), 30.0), refractory=2.0)
    first = int(np.flatnonzero(spikes[:, 0])[0])
    assert (potential[first + 1 : first + 21] == 0).all()
    assert potential[first + 21, 0] > 0
    assert potential[first, 0] >= 15


def test_a_pause_of_three_steps_is_three_steps():
    potential, spikes = neurons.leaky_integrate_and_fire(np.full((10, 1), 3000.0), refractory=0.3)  # .3 / .1 < 3
    assert np.flatnonzero(spikes[:, 0]).tolist() == [0, 4, 8]
    assert potential[:5, 0].tolist() == [30, 0, 0, 0, 30]


def test_reaching_the_threshold_is_enough():
    assert neurons.leaky_integrate_and_fire(np.full((1, 1), 1500.0))[1].all()  # one step to 15 mV


def test_neurons_side_by_side_do_not_meet():
    drive = np.tile([10.0, 16.0, 40.0], (3000, 1))
    together = neurons.leaky_integrate_and_fire(drive)[1]
    for neuron in range(3):
        alone = neurons.leaky_integrate_and_fire(drive[:, [neuron]])[1]
        assert (together[:, neuron] == alone[:, 0]).all()


def test_noise_has_the_spread_that_was_asked_for():
    rng = np.random.default_rng(0)
    potential, _ = neurons.leaky_integrate_and_fire(np.zeros((3000, 400)), noise=2.0, threshold=99, rng=rng)
    assert potential[1000:].std() == pytest.approx(2.0, rel=0.03)


def test_noise_rounds_the_corner():
    drive = np.tile([13.0, 20.0], (20_000, 1))
    quiet = neurons.leaky_integrate_and_fire(drive)[1].sum(axis=0)
    noisy = neurons.leaky_integrate_and_fire(drive, noise=3.0, rng=np.random.default_rng(0))[1].sum(axis=0)
    assert quiet[0] == 0
    assert noisy[0] > 20
    assert abs(noisy[1] / quiet[1] - 1) < 0.2


def test_few_spikes_have_no_rate():
    assert neurons.firing_rate(np.array([[False, True], [False, False]])).tolist() == [0, 0]
    assert neurons.firing_rate(np.array([[True], [False], [True]]), dt=1.0).tolist() == [500]


def test_what_the_neuron_cannot_use_is_named():
    with pytest.raises(ValueError, match=r"\(steps, neurons\), but got shape \(5,\)"):
        neurons.leaky_integrate_and_fire(np.ones(5))
    with pytest.raises(ValueError, match="pass rng="):
        neurons.leaky_integrate_and_fire(np.ones((5, 1)), noise=1.0)


# ---------------------------------------------------------------------------------------------------------------------
# Sum and threshold
# ---------------------------------------------------------------------------------------------------------------------
def test_threshold_units_are_gates():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert neurons.threshold_unit(corners, [1, 1], -1.5).tolist() == [0, 0, 0, 1]
    assert neurons.threshold_unit(corners, [1, 1], -0.5).tolist() == [0, 1, 1, 1]
    assert neurons.threshold_unit(corners, [-1, 0], 0.5).tolist() == [1, 1, 0, 0]
    assert neurons.threshold_unit(corners, [1, 1], 0).tolist() == [0, 1, 1, 1]  # on the boundary: 0
    both = neurons.threshold_unit(corners, np.ones((2, 2)), np.array([-0.5, -1.5]))
    assert both.tolist() == [[0, 0], [1, 0], [1, 0], [1, 1]]


@given(st.integers(1, 60), st.integers(2, 30), st.floats(0.05, 0.5), st.integers(0, 10**6))
def test_a_perceptron_keeps_both_of_novikoffs_inequalities(points, dimensions, margin, seed):
    x, y, normal = neurons.two_clouds(points, dimensions, margin, np.random.default_rng(seed))
    perceptron = neurons.Perceptron(dimensions)
    assert perceptron.learn(x, y)
    assert (perceptron.answer(x) == y).all()
    mistakes, w = perceptron.mistakes, perceptron.w
    assert mistakes <= 1 / margin**2 + 1e-9
    assert w @ normal >= mistakes * margin - 1e-9
    assert w @ w <= mistakes + 1e-9


@given(st.integers(1, 40), st.integers(2, 30), st.floats(0.01, 0.5), st.integers(0, 10**6))
def test_clouds_are_on_the_sphere_and_keep_their_distance(points, dimensions, margin, seed):
    x, y, normal = neurons.two_clouds(points, dimensions, margin, np.random.default_rng(seed))
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1)
    assert np.linalg.norm(normal) == pytest.approx(1)
    distance = y * (x @ normal)
    assert distance.min() >= margin - 1e-9
    assert distance.max() <= 2 * margin + 1e-9


def test_clouds_lie_on_both_sides_fill_the_band_and_are_tilted_every_way():
    x, y, normal = neurons.two_clouds(2000, 20, 0.1, np.random.default_rng(0))
    assert 0.45 < (y == 1).mean() < 0.55
    np.testing.assert_allclose(np.quantile(y * (x @ normal), (0, 0.5, 1)), (0.1, 0.15, 0.2), atol=0.003)
    assert (normal > 0).any()
    assert (normal < 0).any()


def test_a_perceptron_says_no_on_its_boundary():
    assert neurons.Perceptron(2).answer(np.eye(2)).tolist() == [-1, -1]


def test_a_perceptron_gives_up_on_xor():
    corners = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1.0]])
    perceptron = neurons.Perceptron(3)
    assert not perceptron.learn(corners, [-1, 1, 1, -1], most_passes=50)
    assert perceptron.mistakes >= 50
    assert perceptron.learn(corners, [-1, 1, 1, 1])  # OR, from where it stands


def test_what_a_perceptron_cannot_use_is_named():
    with pytest.raises(ValueError, match=r"\+1 and -1, but got \[0, 1\]. From 0 and 1: 2 \* labels - 1"):
        neurons.Perceptron(2).learn(np.eye(2), [0, 1])
    for dimensions, margin in [(1, 0.1), (5, 0.0), (5, 0.7)]:
        with pytest.raises(ValueError, match=f"but got {dimensions} and {margin}"):
            neurons.two_clouds(10, dimensions, margin, np.random.default_rng(0))


# ---------------------------------------------------------------------------------------------------------------------
# Units that remember
# ---------------------------------------------------------------------------------------------------------------------
@given(st.floats(0.01, 0.99), st.integers(1, 50))
def test_a_leaky_unit_keeps_a_power_of_its_decay(decay, steps):
    h = neurons.run_unit(lambda h, x: decay * h + (1 - decay) * x, np.zeros(steps), start=1.0)
    np.testing.assert_allclose(h, decay ** np.arange(1, steps + 1))


@given(st.floats(0, 0.98), st.floats(-1, 1))
def test_a_weak_echo_dies(w, start):
    assert abs(neurons.run_unit(lambda h, x: np.tanh(w * h + x), np.zeros(2000), start)[-1]) < 1e-9


@given(st.floats(1.05, 3), st.floats(0.01, 1), st.sampled_from([-1, 1]))
def test_a_strong_echo_stays_on_its_side(w, start, side):
    last = neurons.run_unit(lambda h, x: np.tanh(w * h + x), np.zeros(3000), side * start)[-1]
    assert side * last > 0.3
    assert last == pytest.approx(np.tanh(w * last), abs=1e-9)


def test_units_can_live_many_lives_at_once():
    inputs = np.arange(6.0).reshape(3, 2)
    assert neurons.run_unit(lambda h, x: h + x, inputs).tolist() == [[0, 1], [2, 4], [6, 9]]
