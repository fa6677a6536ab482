"""Results do not depend on who sits beside whom in a register, nor on its width, threads, blocks or what is on disk."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from engine_tools import METHODS, equations, grid, reference_model, solve

from pkpd.cache import cache_directory
from pkpd.dosing.regimen import Regimen
from pkpd.engine.graph.functions import exp, where
from pkpd.engine.machine.target import lanes
from pkpd.engine.solve.block import Settings
from pkpd.engine.solve.kernel import Equations, Kernel
from pkpd.engine.solve.run import solve_block
from pkpd.errors import PkpdError, SolverError
from pkpd.model.declare import Output, Parameter, State
from pkpd.model.model import Model
from pkpd.people.population import Population
from pkpd.simulation import grid as grids
from pkpd.simulation.api import simulate
from pkpd.simulation.failures import SolverWarning

TIMES = np.array([0.0, 0.7, 3.0, 8.0, 8.5, 20.0, 24.0])
DOSES = ({"time": 0.0, "amt": 80.0, "ii": 8.0, "addl": 2}, {"time": 1.0, "amt": 40.0, "cmt": 1, "rate": 20.0})
SUBJECTS = 21  # no multiple of a width


def _equations() -> Equations:
    """Depot, saturable and sigmoid; time, powers and functions, so that every kind of instruction is there."""

    def rhs(t, y, ka, vmax, km, g):
        effect = y[1] ** g / (3.0**g + y[1] ** g)
        out = vmax * y[1] / (km + y[1])
        return [-ka * y[0], ka * y[0] - out, where(t < 5.0, 2.0, 1.0) * (1 - effect) * exp(-t / 100) - 0.3 * y[2]]

    return equations(rhs, [0.0, 0.0, 4.0], ["ka", "vmax", "km", "g"], dosing={0: {"F": 0.8, "tlag": "g"}})


def _inputs(subjects: int = SUBJECTS) -> np.ndarray:
    random = np.random.default_rng(5)
    return np.array([0.8, 9.0, 12.0, 1.6])[:, None] * random.uniform(0.6, 1.6, (4, subjects))


@functools.cache
def _kernel(width: int | None = None) -> Kernel:
    return Kernel(_equations(), width)


@functools.cache
def _linear_kernel(width: int | None = None) -> Kernel:
    rhs = lambda t, y, ka, k, a, b: [-ka * y[0], ka * y[0] - (k + a) * y[1] + b * y[2], a * y[1] - b * y[2]]  # noqa: E731
    return Kernel(equations(rhs, [0.0, 0.0, 1.0], ["ka", "k", "a", "b"], dosing={0: {"tlag": "a"}}), width)


KERNELS = [(_kernel, m) for m in METHODS] + [(_linear_kernel, "linear"), (_linear_kernel, "dop853")]
EVERY = pytest.mark.parametrize(("kernel", "method"), KERNELS, ids=lambda v: getattr(v, "__name__", v))


# --- width ------------------------------------------------------------------------------------------------------------
@EVERY
@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_results_do_not_depend_on_the_width_of_the_register(kernel, method, width):
    """The compiler may fuse a product and a sum at one width and not at another.

    That is rounding; but where an error estimate is rounding as well, the next step is another, and results differ by
    as much as the tolerance leaves open.
    """
    here = solve(kernel(), TIMES, _inputs(), *DOSES, method=method, rtol=1e-9, atol=1e-12)
    forced = solve(kernel(width), TIMES, _inputs(), *DOSES, method=method, rtol=1e-9, atol=1e-12)
    assert kernel(width).lanes == width
    assert forced.status.tolist() == [0] * SUBJECTS
    np.testing.assert_allclose(forced.steps, here.steps, rtol=0.02)
    np.testing.assert_allclose(forced.outputs, here.outputs, rtol=1e-13 if method == "linear" else 1e-8, atol=1e-11)


@pytest.mark.parametrize("width", ["1", "2", "4", "8"])
def test_the_environment_forces_a_width(monkeypatch, width):
    monkeypatch.setenv("PKPD_LANES", width)
    assert lanes() == int(width)
    assert Kernel(_equations()).lanes == int(width)


@pytest.mark.parametrize("width", ["3", "16", "0", "all"])
def test_other_widths_are_refused(monkeypatch, width):
    monkeypatch.setenv("PKPD_LANES", width)
    with pytest.raises((ValueError, PkpdError), match=f"PKPD_LANES must be 1, 2, 4 or 8, got '{width}'"):
        Kernel(_equations())


def test_the_width_of_the_host_is_used_by_default(monkeypatch):
    monkeypatch.delenv("PKPD_LANES", raising=False)
    assert lanes() in (2, 4, 8)


# --- neighbours -------------------------------------------------------------------------------------------------------
@EVERY
def test_a_subject_alone_and_in_any_company_gets_the_same_result_to_the_bit(kernel, method):
    inputs = _inputs()
    together = solve(kernel(), TIMES, inputs, *DOSES, method=method).outputs
    order = np.random.default_rng(1).permutation(SUBJECTS)
    np.testing.assert_array_equal(
        solve(kernel(), TIMES, inputs[:, order], *DOSES, method=method).outputs, together[:, order]
    )
    for i in (0, 7, SUBJECTS - 1):
        alone = solve(kernel(), TIMES, inputs[:, i : i + 1], *DOSES, method=method).outputs
        np.testing.assert_array_equal(alone[:, 0], together[:, i])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sick", [np.nan, np.inf, 1e300])
def test_a_subject_that_fails_does_not_disturb_its_neighbours(method, sick):
    inputs = _inputs()
    healthy = solve(_kernel(), TIMES, inputs, *DOSES, method=method, max_steps=20_000)
    hurt = inputs.copy()
    hurt[1, [2, 3, 17]] = sick
    found = solve(_kernel(), TIMES, hurt, *DOSES, method=method, max_steps=20_000)
    others = np.setdiff1d(np.arange(SUBJECTS), [2, 3, 17])
    np.testing.assert_array_equal(found.outputs[:, others], healthy.outputs[:, others])
    assert (found.status[[2, 3, 17]] != 0).all()
    assert not found.status[others].any()


@pytest.mark.parametrize("method", METHODS)
def test_results_are_kept_up_to_the_failure_and_not_a_number_from_there_on(method):
    """x' = x^2 from 1 goes to infinity at t = 1; dx/dt = -x^2 never does."""
    kernel = Kernel(equations(lambda t, y, s: [s * y[0] * y[0]], [1.0], ["s"]))
    times = np.array([0.0, 0.5, 0.9, 0.99, 1.01, 1.5, 3.0])
    found = solve(kernel, times, np.array([[1.0, -1.0]]), method=method, rtol=1e-9, atol=1e-12)
    assert found.status[0] in (1, 3)
    assert found.status[1] == 0
    assert found.when[0] == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(found.outputs[0, 0, :4], 1 / (1 - times[:4]), rtol=1e-4)
    assert np.isnan(found.outputs[0, 0, 4:]).all()
    np.testing.assert_allclose(found.outputs[0, 1], 1 / (1 + times), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_the_number_of_steps_is_bounded(method):
    kernel = Kernel(equations(lambda t, y, w: [w * y[1], -w * y[0]], [1.0, 0.0], ["w"]))
    found = solve(kernel, [0.0, 1.0, 50.0], np.array([[0.5, 400.0]]), method=method, max_steps=700, rtol=1e-5)
    assert found.status.tolist() == [0, 2]
    assert found.steps[0] < 700
    assert found.steps[1] == 700
    assert np.isnan(found.outputs[:, 1, 2]).all()
    assert np.isfinite(found.outputs[:, 0]).all()


def test_nobody_at_all_and_times_before_any_dose():
    block = grid(3, [5.0, 6.0], {"time": 9.0, "amt": 1.0}, start=0.0)
    found = solve_block(_kernel(), block, _inputs(3), Settings())
    assert found.status.tolist() == [0, 0, 0]
    assert found.outputs[0].tolist() == [[0.0, 0.0]] * 3


# --- threads and blocks -----------------------------------------------------------------------------------------------
@functools.cache
def _model() -> Model:
    def dynamics(t, x, p):
        return {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.Vmax * x.central / (p.Km + x.central)}

    return Model(
        "saturable",
        states=[State("depot", "mg"), State("central", "mg")],
        parameters=[
            Parameter("ka", 0.8, "1/h", cv=0.3),
            Parameter("Vmax", 9.0, "mg/h", cv=0.4),
            Parameter("Km", 12.0, "mg", cv=0.2),
        ],
        outputs=[Output("amount", "mg")],
        dynamics=dynamics,
        calculate=lambda t, x, p: {"amount": x.central},
    )


REGIMENS = {"a": Regimen(amt=80, cmt="depot", ii=8, addl=2), "b": Regimen(amt=200, cmt="central", tinf=2)}


@pytest.mark.parametrize("name", ["saturable", "lin"])
def test_results_do_not_depend_on_threads_or_blocks(monkeypatch, name):
    if name == "lin":
        model, regimen, outputs = reference_model("lin"), Regimen(amt=80, cmt="DEPOT", ii=8, addl=2), ["CONC", "AUC"]
        people = Population.typical(model, 150)
        people.parameters.update({"CL": np.linspace(1.0, 9.0, 150)})
    else:
        model, regimen, outputs = _model(), REGIMENS, ["amount", "depot"]
        people = Population.draw(model, 150, seed=3)
    one = simulate(model, regimen, people, TIMES, outputs=outputs, threads=1)
    for threads, size in ((2, 1 << 20), (5, 1 << 20), (3, 1), (1, 1 << 12)):
        monkeypatch.setattr(grids, "STATES", size)
        monkeypatch.setattr(grids, "OUTPUTS", size)
        other = simulate(model, regimen, people, TIMES, outputs=outputs, threads=threads)
        for variable in outputs:
            np.testing.assert_array_equal(other[variable], one[variable])


def test_results_do_not_depend_on_the_order_or_the_choice_of_subjects():
    people = Population.draw(_model(), 40, seed=8)
    all_of_them = simulate(_model(), REGIMENS, people, TIMES)["amount"]
    chosen = [31, 4, 4 + 8, 0]
    some = simulate(_model(), REGIMENS, people[chosen], TIMES)["amount"]
    np.testing.assert_array_equal(some, all_of_them[:, chosen])
    assert some["subject"].to_numpy().tolist() == [32, 5, 13, 1]


def test_a_block_of_subjects_is_never_empty():
    for subjects in (1, 2, 63, 64, 65, 1000, 12345):
        for threads in (1, 2, 3, 16):
            size = grids.block_size(subjects, 5 * (subjects % 2), 3, 100, threads)
            parts = list(grids.slices(subjects, size))
            assert [p.start for p in parts[1:]] == [p.stop for p in parts[:-1]]
            assert parts[0].start == 0
            assert parts[-1].stop == subjects


# --- what is said about a failure -------------------------------------------------------------------------------------
def _exploding() -> Model:
    return Model(
        "exploding",
        states=[State("x", "mg")],
        parameters=[Parameter("k", 0.001, "1/mg/h"), Parameter("x0", 1.0, "mg")],
        outputs=[Output("y", "mg")],
        initial=lambda p: {"x": p.x0},
        dynamics=lambda t, x, p: {"x": p.k * x.x * x.x},
        calculate=lambda t, x, p: {"y": x.x},
    )


def test_the_warning_names_subject_time_and_parameters_and_the_others_are_kept():
    model = _exploding()
    people = Population.from_table(model, {"ID": ["ann", "bob", "cyd"], "k": [0.001, 0.5, 0.002]})
    with pytest.warns(SolverWarning) as caught:
        sims = simulate(model, {"none": Regimen(doses=[])}, people, [0.0, 1.0, 1.9, 4.0])
    text = str(caught[0].message)
    assert text.startswith("model 'exploding': 1 of 3 subjects failed. regimen 'none', subject bob, t = 2 h: ")
    assert "blows up" in text or "infinite" in text
    assert text.endswith("(k=0.5, x0=1); their results are NaN from there on")
    assert sims["status"].to_numpy().tolist() == [[0, int(sims["status"][0, 1]), 0]]
    values = sims["y"].to_numpy()[0]
    assert np.isfinite(values[[0, 2]]).all()
    np.testing.assert_allclose(values[1, :3], [1.0, 2.0, 20.0], rtol=1e-5)
    assert np.isnan(values[1, 3])


def test_all_failures_are_counted_and_may_raise_or_pass_silently():
    model = _exploding()
    people = Population.from_table(model, {"ID": [1, 2, 3], "k": [0.5, 0.001, 0.7]})
    with pytest.raises(SolverError, match=r"2 of 3 subjects failed\. .*subject 1, t = 2 h: .*\(k=0\.5, x0=1\)$"):
        simulate(model, None, people, [0.0, 4.0], on_failure="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sims = simulate(model, None, people, [0.0, 4.0], on_failure="ignore")
    assert (sims["status"] != 0).to_numpy().tolist() == [True, False, True]


def test_too_many_steps_say_what_to_do():
    people = Population.draw(_model(), 2, seed=1)
    with pytest.raises(SolverError, match=r"more steps than max_steps; raise max_steps, loosen rtol"):
        simulate(_model(), REGIMENS, people, TIMES, max_steps=5, on_failure="raise")


# --- object code on disk ----------------------------------------------------------------------------------------------
def test_a_model_is_compiled_once_and_then_read_from_disk(monkeypatch, tmp_path):
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path / "kept"))
    assert cache_directory() == tmp_path / "kept"
    expected = None
    for cached in (False, True):
        kernel = Kernel(_equations())
        codes = [kernel.prepare, kernel.observe, *(kernel.method(m).code for m in METHODS)]
        assert [code.cached for code in codes] == [cached] * 5
        outputs = solve(kernel, TIMES, _inputs(), *DOSES, method="dop853").outputs
        expected = outputs if expected is None else expected
        np.testing.assert_array_equal(outputs, expected)


def test_other_equations_and_other_widths_are_not_taken_for_the_same(monkeypatch, tmp_path):
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path))
    for factor, width in ((1.0, 2), (1.0, 4), (2.0, 4)):
        kernel = Kernel(equations(lambda t, y, f=factor: [-f * y[0]], [1.0]), width)
        assert not kernel.prepare.cached
        assert not kernel.method("tsit5").code.cached
        found = solve(kernel, [0.0, 1.0], method="tsit5").outputs[0, 0, 1]
        assert found == pytest.approx(np.exp(-factor), rel=1e-7)


def test_a_cache_that_cannot_be_written_only_costs_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path / "file" / "below"))
    for _ in range(2):
        kernel = Kernel(_equations())
        assert not kernel.method("tsit5").code.cached
        assert solve(kernel, TIMES, _inputs(), method="tsit5").status.tolist() == [0] * SUBJECTS


@pytest.mark.parametrize("damage", [b"", b"nonsense", None], ids=["empty", "other bytes", "half"])
def test_a_damaged_file_is_compiled_anew(monkeypatch, tmp_path, damage):
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path))
    expected = solve(Kernel(_equations()), TIMES, _inputs(), method="tsit5").outputs
    for path in tmp_path.iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage is None else damage)
    kernel = Kernel(_equations())
    assert not kernel.prepare.cached
    np.testing.assert_array_equal(solve(kernel, TIMES, _inputs(), method="tsit5").outputs, expected)


def test_a_second_process_reads_what_the_first_one_compiled(tmp_path):
    code = (
        "from test_lanes import _equations\nfrom pkpd.engine.solve.kernel import Kernel\n"
        "k = Kernel(_equations())\nprint(k.prepare.cached, k.method('dop853').code.cached)"
    )
    tests = Path(__file__).parents[1]
    places = [tests / "engine", tests / "helpers", tests.parent]
    env = os.environ | {"PKPD_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(map(str, places))}
    said = [
        subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert said == ["False False", "True True"]
