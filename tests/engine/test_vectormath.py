"""Vector functions against 50-digit arithmetic (mpmath), C99's special values, and the code for each processor."""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Callable

import llvmlite.binding as llvm
import mpmath
import numpy as np
import pytest
from llvmlite import ir
from numpy.typing import NDArray

from pkpd.engine.machine.target import MachineCode, compile_ir
from pkpd.engine.machine.vectorexp import ATANH, ATANH_LONG, EXPM1
from pkpd.engine.machine.vectormath import VectorMath
from pkpd.engine.machine.vectorspecial import COS, ERF, SIN

Array = NDArray[np.float64]
Function = Callable[..., Array]

WIDTHS = (1, 2, 4, 8, 16)
F64, I64, PTR = ir.DoubleType(), ir.IntType(64), ir.PointerType()
INF, NAN, LEAST, MOST = math.inf, math.nan, 5e-324, 1.7976931348623157e308
ROOMS = 1200  # numbers per accuracy test

UNARY = ("exp", "log", "tanh", "erf", "expm1", "log1p", "sin", "cos", "lgamma", "abs", "sqrt", "floor", "neg")
BINARY = ("pow", "minimum", "maximum", "add", "sub", "mul", "div")
COMPARE = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")
INTEGER_POWERS = (-16, -3, -1, 0, 1, 2, 7, 16)


def _operations() -> dict[str, Callable]:
    table: dict[str, Callable] = {n: lambda m, x, y, n=n: getattr(m, n)(x) for n in UNARY}
    table |= {n: lambda m, x, y, n=n: getattr(m, n)(x, y) for n in BINARY}
    for n in COMPARE:
        table[n] = lambda m, x, y, n=n: m.select(getattr(m, n)(x, y), m.const(1), m.const(0))
    table |= {f"power{n}": lambda m, x, y, n=n: m.pow_integer(x, n) for n in INTEGER_POWERS}
    table["log_hi"] = lambda m, x, y: m.log_pair(x)[0]
    table["log_lo"] = lambda m, x, y: m.log_pair(x)[1]
    table["exp_pair"] = lambda m, x, y: m.exp_pair(x, y)
    table["pow_positive"] = lambda m, x, y: m.pow(x, y, positive=True)
    table["fma"] = lambda m, x, y: m.fma(x, y, m.const(-1))
    table["clip"] = lambda m, x, y: m.maximum(m.const(0), m.minimum(x, m.const(1)))
    table["between"] = _between
    return table


def _between(m: VectorMath, x: object, y: object) -> object:
    """Return 1 where 0 <= x < y, 2 where x < 0, 0 elsewhere."""
    below = m.less(x, m.const(0))
    inside = m.logical_and(m.logical_not(below), m.less(x, y))
    some = m.select(m.logical_or(inside, below), m.const(1), m.const(0))
    return m.select(below, m.const(2), some)


OPERATIONS = _operations()


def _module(lanes: int) -> ir.Module:
    """Write ``void name(double* x, double* y, double* out, i64 n)`` for every operation; n is a multiple of lanes."""
    module, vector = ir.Module(), ir.VectorType(F64, lanes)
    for name, operation in OPERATIONS.items():
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [PTR, PTR, PTR, I64]), name=f"test_{name}")
        b = ir.IRBuilder(function.append_basic_block())
        start, loop, end = b.block, function.append_basic_block(), function.append_basic_block()
        b.branch(loop)
        b.position_at_end(loop)
        i = b.phi(I64)
        i.add_incoming(ir.Constant(I64, 0), start)
        x, y = (b.load(b.gep(p, [i], source_etype=F64), align=8, typ=vector) for p in function.args[:2])
        b.store(operation(VectorMath(b, lanes), x, y), b.gep(function.args[2], [i], source_etype=F64), align=8)
        following = b.add(i, ir.Constant(I64, lanes))
        i.add_incoming(following, b.block)  # a power may have branched
        b.cbranch(b.icmp_unsigned("<", following, function.args[3]), loop, end)
        b.position_at_end(end)
        b.ret_void()
    return module


class Library:
    """The compiled operations of one width: ``library.exp(x)``, ``library.pow(x, y)``."""

    def __init__(self, lanes: int) -> None:
        names = [f"test_{n}" for n in OPERATIONS]
        self.code: MachineCode = compile_ir(source := str(_module(lanes)), lambda: source, names)
        self.lanes = lanes

    def __getattr__(self, name: str) -> Function:
        call = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 3, ctypes.c_int64)(self.code[f"test_{name}"])

        def run(x: object, y: object = 0.0) -> Array:
            x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
            room = -(-max(x.size, 1) // self.lanes) * self.lanes
            a, b, out = np.zeros(room), np.zeros(room), np.zeros(room)
            a[: x.size], b[: x.size] = x.ravel(), y.ravel()
            call(a.ctypes.data, b.ctypes.data, out.ctypes.data, room)
            return out[: x.size]

        return run


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Library]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PKPD_CACHE_DIR", str(tmp_path_factory.mktemp("code")))
        return {lanes: Library(lanes) for lanes in WIDTHS}


@pytest.fixture(scope="module")
def four(libraries: dict[int, Library]) -> Library:
    return libraries[4]


def _rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


def _uniform(a: float, b: float) -> Array:
    return _rng().uniform(a, b, ROOMS)


def _decades(a: float, b: float) -> Array:
    return 10.0 ** _rng().uniform(a, b, ROOMS)


def _error(got: Array, reference: Callable, *args: Array, floor: float = 2.0**-1022) -> float:
    """Return the largest error relative to the reference, or to ``floor`` where that is smaller."""
    worst = 0.0
    with mpmath.workdps(50):
        for g, *xs in zip(got, *args, strict=True):
            exact = reference(*(mpmath.mpf(float(x)) for x in xs))
            worst = max(worst, float(abs(mpmath.mpf(float(g)) - exact) / max(abs(exact), mpmath.mpf(floor))))
    return worst


# Where a result is subnormal, its error counts in units of the smallest normal number: half of the last bit is 1.1e-16.
ACCURACY = [
    ("exp", _uniform(-1, 1)),
    ("exp", _uniform(-708, 709.7)),
    ("exp", _uniform(-745, -708)),
    ("log", _uniform(0.5, 2)),
    ("log", 1 + _uniform(-1, 1) * _decades(-15, -1)),
    ("log", _decades(-307, 308)),
    ("log", _decades(-323, -308)),
    ("tanh", _uniform(-1, 1)),
    ("tanh", _uniform(-25, 25)),
    ("tanh", _decades(-322, 0)),
    ("erf", _uniform(-1, 1)),
    ("erf", _uniform(-7, 7)),
    ("erf", -_decades(-322, 0)),
    ("expm1", _uniform(-1, 1)),
    ("expm1", _decades(-322, 2.85)),
    ("expm1", -_decades(-322, 2.85)),
    ("log1p", _uniform(-0.9999, 1)),
    ("log1p", _decades(-322, 308)),
    ("log1p", -_decades(-322, -0.01)),
    ("sin", _uniform(-4, 4)),
    ("sin", _uniform(-1e5, 1e5)),
    ("sin", _uniform(-1e9, 1e9)),
    ("sin", np.arange(1, ROOMS) * math.pi),
    ("cos", _uniform(-4, 4)),
    ("cos", _uniform(-1e5, 1e5)),
    ("cos", _uniform(-1e9, 1e9)),
    ("cos", np.arange(1, 2 * ROOMS, 2) * (math.pi / 2)),
]


@pytest.mark.parametrize(("name", "x"), ACCURACY, ids=[f"{n}-{i}" for i, (n, _) in enumerate(ACCURACY)])
def test_accuracy(four: Library, name: str, x: Array) -> None:
    assert _error(getattr(four, name)(x), getattr(mpmath, name), x) < 1e-15


@pytest.mark.parametrize("x", [_decades(-322, 300), _uniform(0.01, 20), _uniform(0.99, 2.01)])
def test_lgamma_is_accurate_relatively_or_absolutely(four: Library, x: Array) -> None:
    assert _error(four.lgamma(x), mpmath.loggamma, x, floor=1.0) < 1e-14


def _bases_and_exponents() -> list[tuple[Array, Array]]:
    sign = _rng().choice([-1.0, 1.0], ROOMS)
    near_one = 1 + sign * _decades(-15, -1)
    wide, middle = _decades(-307, 307), _uniform(0.6, 1.6)
    return [
        (_decades(-6, 6), _uniform(-50, 50)),
        (_decades(-3, 3), _uniform(0.1, 4)),
        (wide, _uniform(-1, 1) * 708 / np.log(wide)),
        (middle, sign * np.minimum(_uniform(600, 708) / np.abs(np.log(middle)), 1e6)),
        (near_one, sign * _uniform(600, 708) / np.log(near_one)),
        (_decades(-323, -308), _uniform(-0.9, 0.9)),
        (_decades(-3, -2), _uniform(100, 110)),
    ]


@pytest.mark.parametrize("case", range(7))
def test_power_accuracy(four: Library, case: int) -> None:
    x, y = _bases_and_exponents()[case]
    got = four.pow(x, y)
    assert _error(got, mpmath.power, x, y) < 3e-15
    np.testing.assert_array_equal(four.pow_positive(x, y), got)


def test_powers_of_negative_bases_by_integers(four: Library) -> None:
    x, y = -_decades(-3, 3), _rng().integers(-40, 41, ROOMS).astype(float)
    assert _error(four.pow(x, y), mpmath.power, x, y) < 1e-15


@pytest.mark.parametrize("n", INTEGER_POWERS)
def test_integer_powers_by_squaring(four: Library, n: int) -> None:
    x = _uniform(-20, 20)
    bound = (n - 1 if n > 0 else 2 * abs(n)) * 2.0**-53
    assert _error(getattr(four, f"power{n}")(x), lambda a: a**n, x) <= bound


def test_log_pair_holds_58_bits(four: Library) -> None:
    x = np.concatenate([_decades(-320, 308), _uniform(0.5, 2), 1 + _decades(-15, -1)])
    hi, lo = four.log_hi(x), four.log_lo(x)
    with mpmath.workdps(50):
        for a, h, rest in zip(x, hi, lo, strict=True):
            exact = mpmath.log(mpmath.mpf(float(a)))
            assert abs(mpmath.mpf(float(h)) + mpmath.mpf(float(rest)) - exact) < abs(exact) * mpmath.mpf(2) ** -58
    np.testing.assert_array_equal(hi + lo, hi)
    np.testing.assert_array_equal(four.log_hi(-x), hi)


def test_exp_pair_uses_the_low_part_and_survives_a_senseless_one(four: Library) -> None:
    x = _uniform(-700, 700)
    low = _uniform(-0.5, 0.5) * np.spacing(np.abs(x))
    assert _error(four.exp_pair(x, low), lambda a, b: mpmath.exp(a + b), x, low) < 1e-15
    got = four.exp_pair([INF, -INF, 800.0, -800.0], [NAN, INF, NAN, NAN])
    np.testing.assert_array_equal(got, [INF, 0.0, INF, 0.0])


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf", "log1p", "expm1"])
def test_monotonic_up_to_rounding(four: Library, name: str) -> None:
    x = np.linspace(0.02, 5, 20001)
    y = getattr(four, name)(x)
    assert np.all(np.diff(y) >= -2 * np.spacing(np.abs(y[1:])))


def test_logarithm_is_zero_at_one_and_right_next_to_it(four: Library) -> None:
    below, above = np.nextafter(1, 0), np.nextafter(1, 2)
    got = four.log([below, 1.0, above])
    np.testing.assert_array_equal(got, [-(2.0**-53), 0.0, 2.0**-52 - 2.0**-105])


SPECIAL = [
    ("exp", 0.0, 1.0), ("exp", -0.0, 1.0), ("exp", INF, INF), ("exp", -INF, 0.0), ("exp", NAN, NAN),
    ("exp", 709.79, INF), ("exp", -745.14, 0.0), ("exp", -745.13, LEAST), ("exp", 1e300, INF), ("exp", -1e300, 0.0),
    ("exp", LEAST, 1.0), ("log", 0.0, -INF), ("log", -0.0, -INF), ("log", -1.0, NAN), ("log", -LEAST, NAN),
    ("log", -INF, NAN), ("log", INF, INF), ("log", NAN, NAN), ("log", 1.0, 0.0), ("log", LEAST, -744.4400719213812),
    ("log", MOST, 709.782712893384), ("log", 2.2250738585072014e-308, -708.3964185322641), ("tanh", INF, 1.0),
    ("tanh", -INF, -1.0), ("tanh", NAN, NAN), ("tanh", 0.0, 0.0), ("tanh", -0.0, -0.0), ("tanh", 1e-300, 1e-300),
    ("tanh", LEAST, LEAST), ("tanh", -1e-20, -1e-20), ("tanh", 23.0, 1.0), ("erf", INF, 1.0), ("erf", -INF, -1.0),
    ("erf", NAN, NAN), ("erf", 0.0, 0.0), ("erf", -0.0, -0.0), ("erf", -9.0, -1.0), ("expm1", INF, INF),
    ("expm1", -INF, -1.0), ("expm1", NAN, NAN), ("expm1", -0.0, -0.0), ("expm1", LEAST, LEAST), ("expm1", 709.79, INF),
    ("expm1", -50.0, -1.0), ("expm1", 1e-30, 1e-30), ("log1p", -1.0, -INF), ("log1p", -1.5, NAN), ("log1p", INF, INF),
    ("log1p", NAN, NAN), ("log1p", -0.0, -0.0), ("log1p", LEAST, LEAST), ("log1p", 1e-30, 1e-30),
    ("log1p", MOST, 709.782712893384), ("log1p", -INF, NAN), ("sin", 0.0, 0.0), ("sin", -0.0, 0.0), ("sin", INF, NAN),
    ("sin", -INF, NAN), ("sin", NAN, NAN), ("sin", 1e-300, 1e-300), ("cos", 0.0, 1.0), ("cos", INF, NAN),
    ("cos", -INF, NAN), ("cos", NAN, NAN), ("lgamma", 0.0, INF), ("lgamma", INF, INF), ("lgamma", NAN, NAN),
    ("lgamma", -0.5, NAN), ("lgamma", -INF, NAN), ("sqrt", -1.0, NAN), ("sqrt", 9.0, 3.0), ("floor", -1.5, -2.0),
    ("abs", -0.0, 0.0), ("neg", 0.0, -0.0), ("clip", -3.0, 0.0), ("clip", 0.25, 0.25), ("clip", 2.0, 1.0),
    ("clip", NAN, NAN), ("log_hi", 0.0, -INF), ("log_hi", -INF, INF), ("log_hi", NAN, NAN),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "expected"), SPECIAL)
def test_special_values(four: Library, name: str, x: float, expected: float) -> None:
    got = getattr(four, name)(x)[0]
    np.testing.assert_equal(got, expected)
    assert math.isnan(expected) or math.copysign(1, got) == math.copysign(1, expected)


POWERS = [
    (0.0, 2.0, 0.0), (0.0, 0.5, 0.0), (0.0, -1.5, INF), (0.0, -3.0, INF), (0.0, INF, 0.0), (0.0, -INF, INF),
    (-0.0, 3.0, -0.0), (-0.0, 2.0, 0.0), (-0.0, 0.5, 0.0), (-0.0, -3.0, -INF), (-0.0, -2.0, INF), (-0.0, -0.5, INF),
    (5.0, 0.0, 1.0), (0.0, 0.0, 1.0), (INF, 0.0, 1.0), (-INF, -0.0, 1.0), (NAN, 0.0, 1.0), (-2.0, 0.0, 1.0),
    (1.0, NAN, 1.0), (1.0, INF, 1.0), (1.0, -INF, 1.0), (1.0, 3.7, 1.0), (-1.0, INF, 1.0), (-1.0, -INF, 1.0),
    (-1.0, 3.0, -1.0), (-1.0, 4.0, 1.0), (-1.0, NAN, NAN), (-1.0, 0.5, NAN), (-8.0, 1 / 3, NAN), (-LEAST, 1.5, NAN),
    (-2.0, 3.0, -8.0), (-2.0, 2.0, 4.0), (-2.0, -1.0, -0.5), (-2.0, 1e300, INF), (-0.5, 1e300, 0.0),
    (-2.0, 1025.0, -INF), (NAN, 1.0, NAN), (2.0, NAN, NAN), (NAN, NAN, NAN), (0.0, NAN, NAN), (INF, NAN, NAN),
    (INF, 1.5, INF), (INF, -1.5, 0.0), (-INF, 3.0, -INF), (-INF, 2.0, INF), (-INF, 0.5, INF), (-INF, -3.0, -0.0),
    (-INF, -2.0, 0.0), (-INF, -0.5, 0.0), (INF, INF, INF), (INF, -INF, 0.0), (-INF, INF, INF), (-INF, -INF, 0.0),
    (2.0, INF, INF), (2.0, -INF, 0.0), (0.5, INF, 0.0), (0.5, -INF, INF), (-0.5, INF, 0.0), (-3.0, INF, INF),
    (2.0, 1023.0, 2.0**1023), (2.0, 1024.0, INF), (2.0, -1074.0, LEAST), (2.0, -1076.0, 0.0),
    (2.0, -1050.0, 2.0**-1050), (3.0, 1.0, 3.0), (7.0, 2.0, 49.0), (10.0, 15.0, 1e15), (4.0, 0.5, 2.0),
    (LEAST, 1.0, LEAST), (MOST, 1.0, MOST),
]  # fmt: skip


@pytest.mark.parametrize(("x", "y", "expected"), POWERS)
def test_special_powers(four: Library, x: float, y: float, expected: float) -> None:
    got = four.pow(x, y)[0]
    np.testing.assert_equal(got, expected)
    assert math.isnan(expected) or math.copysign(1, got) == math.copysign(1, expected)
    if math.copysign(1, x) > 0 or math.isnan(x):
        np.testing.assert_equal(four.pow_positive(x, y)[0], expected)


def test_nan_with_a_payload_stays_nan(four: Library) -> None:
    missing = np.array([0x7FF00000000007A2, 0x7FF80000000007A2, 0xFFF8000000000FFF], np.uint64).view(np.float64)
    for name in ("exp", "log", "tanh", "erf", "expm1", "log1p", "sin", "cos", "lgamma"):
        assert np.all(np.isnan(getattr(four, name)(missing))), name
    assert np.all(np.isnan(four.pow(missing, 2.5)))
    assert np.all(np.isnan(four.pow(2.5, missing)))


@pytest.mark.parametrize("lanes", WIDTHS)
def test_arithmetic_and_conditions(libraries: dict[int, Library], lanes: int) -> None:
    library = libraries[lanes]
    x = np.array([1.0, -2.0, 3.0, NAN, 0.5, INF, -0.0, 4.0, 2.0])
    y = np.array([2.0, -3.0, NAN, 1.0, 0.5, INF, 0.0, 1.0, 8.0])
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = {
            "add": x + y, "sub": x - y, "mul": x * y, "div": x / y,
            "minimum": np.minimum(x, y), "maximum": np.maximum(x, y),
            "less": x < y, "less_equal": x <= y, "greater": x > y, "greater_equal": x >= y, "equal": x == y,
            "not_equal": x != y, "between": np.where(x < 0, 2.0, (x < y) * 1.0),
        }  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_array_equal(getattr(library, name)(x, y), values, err_msg=name)


def test_fma_is_rounded_once(four: Library) -> None:
    x = 1 + 2.0**-30
    assert four.fma(x, x)[0] == 2.0**-29 + 2.0**-60


@pytest.mark.parametrize("lanes", [1, 2, 8])
def test_every_width_gives_the_same_numbers(libraries: dict[int, Library], lanes: int) -> None:
    x, y = np.concatenate([_uniform(-30, 30), _decades(-320, 300), [INF, -INF, NAN, -0.0]]), _uniform(-3, 3)
    for name in (*UNARY, "pow", "log_lo"):
        args = (x, np.resize(y, x.size)) if name == "pow" else (x,)
        expected = getattr(libraries[4], name)(*args)
        np.testing.assert_array_equal(getattr(libraries[lanes], name)(*args), expected, err_msg=name)


def test_lanes_must_be_a_supported_width() -> None:
    with pytest.raises(ValueError, match="lanes must be one of 1, 2, 4, 8, 16, got 3"):
        VectorMath(ir.IRBuilder(), 3)


def _calls(triple: str, cpu: str, lanes: int) -> list[str]:
    """Return the call instructions in the code for a processor."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    module = llvm.parse_assembly(str(_module(lanes)))
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=2)
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(2))
    passes.getModulePassManager().run(module, passes)
    return re.findall(r"^\s*(?:callq?|blr?)\s.*$", machine.emit_assembly(module), re.MULTILINE)


@pytest.mark.parametrize(
    ("triple", "cpu", "lanes"),
    [
        ("x86_64-unknown-linux-gnu", "skylake-avx512", 8),
        ("x86_64-unknown-linux-gnu", "haswell", 4),
        ("x86_64-unknown-linux-gnu", "haswell", 8),
        ("aarch64-unknown-linux-gnu", "generic", 2),
        ("arm64-apple-darwin", "apple-m1", 2),
    ],
)
def test_no_call_leaves_the_code(triple: str, cpu: str, lanes: int) -> None:
    assert _calls(triple, cpu, lanes) == []


def test_without_fused_multiply_add_the_c_library_is_called() -> None:
    assert _calls("x86_64-unknown-linux-gnu", "x86-64", 2)


def _fit(coefficients: tuple[float, ...], x: object) -> object:
    total = mpmath.mpf(0)
    for c in reversed(coefficients):
        total = total * x + c
    return total


@pytest.mark.parametrize(
    ("error", "low", "high", "bound"),
    [
        (lambda r: (1 + r + r * r * _fit(EXPM1, r)) / mpmath.exp(r) - 1, -0.3466, 0.3466, 1.3e-17),
        (lambda s: s * (1 + s * s * _fit(ATANH, s * s)) / mpmath.atanh(s) - 1, 1e-9, 0.1716, 3e-18),
        (lambda s: s * (1 + s * s * _fit(ATANH_LONG, s * s)) / mpmath.atanh(s) - 1, 1e-9, 0.1716, 1e-19),
        (lambda r: r * (1 + r * r * _fit(SIN, r * r)) / mpmath.sin(r) - 1, 1e-9, 0.7854, 1.3e-17),
        (lambda r: 1 - r * r / 2 + r**4 * _fit(COS, r * r) - mpmath.cos(r), 0, 0.7854, 5e-19),
        (lambda x: -mpmath.expm1(-x * _fit(ERF, x)) / mpmath.erf(x) - 1, 1e-9, 5.95, 4e-16),
    ],
    ids=["exp", "log", "log_pair", "sin", "cos", "erf"],
)
def test_polynomials_keep_their_error_bounds(error: Callable, low: float, high: float, bound: float) -> None:
    with mpmath.workdps(50):
        assert max(abs(error(mpmath.mpf(float(x)))) for x in np.linspace(low, high, 501)) < bound
