"""Unit texts: grammar, meaning against pint, conversion, and the cache that saves importing pint."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pint
import pytest

from pkpd.cache import keep
from pkpd.errors import UnitError
from pkpd.units import Dimension, canonical, conversion, divide, factors, multiply, names, parse, spell

FIELD = [
    "mg/L", "ug/mL", "1/h", "h", "10^9/L", "nmol/L", "U/L", "IU/mL", "mg*h/L", "%", "", "g/L", "cells/uL",
    "mL/min/1.73m^2", "m^2", "L/h/kg", "mg/kg", "mL/min", "degC", "mg/m^2", "kg^0.75", "copies/mL", "mmHg",
    "mEq/L", "1/(mg/L)/h",
]  # fmt: skip

#: what pint calls a name that it lacks or takes for something else
PINT_NAMES = {
    "%": "percent", "degC": "temperature_reading", "1.73m^2": "1.73*m^2", "y": "year", "w": "week", "wk": "week",
    "wks": "week",
}  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> pint.UnitRegistry:
    registry = pint.UnitRegistry(on_redefinition="ignore")
    for line in names.DEFINITIONS:
        registry.define(line)
    return registry


def by_pint(registry: pint.UnitRegistry, text: str) -> Dimension:
    quantity: Any = registry.Quantity(1.0, "") * registry.parse_expression(text)
    factor = float(quantity.to_root_units().magnitude)
    exponents = sorted((str(k).strip("[]"), float(str(e))) for k, e in quantity.dimensionality.items())
    return Dimension(math.log10(factor), tuple(exponents))


@pytest.mark.parametrize("name", names.COMMON)
def test_shipped_table_is_what_pint_says(name: str, registry: pint.UnitRegistry) -> None:
    theirs = by_pint(registry, PINT_NAMES.get(name, name))
    assert names.COMMON[name].same(theirs), (names.COMMON[name], theirs)


@pytest.mark.parametrize("unit", [u for u in FIELD if not set(u) & {"%", "C"} and "1.73" not in u and u])
def test_grammar_reads_as_pint_does(unit: str, registry: pint.UnitRegistry) -> None:
    assert parse(unit).same(by_pint(registry, unit))


@pytest.mark.parametrize("unit", FIELD)
def test_canonical_text_means_the_same_and_is_stable(unit: str) -> None:
    once = canonical(unit)
    assert parse(once).same(parse(unit))
    assert canonical(once) == once


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("µg/mL", "ug/mL"), ("μg/mL", "ug/mL"), ("mcg/ml", "ug/mL"), ("L.h-1", "L/h"), ("L h^-1", "L/h"),
        ("h⁻¹", "1/h"), ("mg/(L*h)", "mg/L/h"), ("m2", "m^2"), ("m²", "m^2"), ("m**2", "m^2"),
        ("mL/min/1.73 m2", "mL/min/1.73m^2"),
        ("x10^9/L", "10^9/L"), ("×10^9/L", "10^9/L"), ("1e9/L", "10^9/L"), ("°C", "degC"), ("1", ""), ("-", ""),
        ("dimensionless", ""), ("ng·h/mL", "ng*h/mL"), ("mg/mg", ""), ("(mg/L)^2", "mg^2/L^2"),
        ("kg**-0.25", "kg^-0.25"), ("10^9 cells/L", "10^9*cells/L"), ("hours", "h"),
    ],
)  # fmt: skip
def test_spellings(written: str, meant: str) -> None:
    assert parse(written).same(parse(meant))


def test_own_base_units_do_not_convert() -> None:
    for a, b in [("U", "IU"), ("U", "umol/min"), ("10^9/L", "cells/L"), ("degC", "K"), ("mL/min/1.73m^2", "mL/min")]:
        assert not parse(a).convertible(parse(b))
    assert parse("mL/min/1.73m^2").convertible(parse("mL/min/m^2"))


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("mg/L", "ug/mL", 1.0), ("g/L", "mg/L", 1e3), ("ng/mL", "mg/L", 1e-3), ("h", "min", 60.0), ("d", "h", 24.0),
        ("min", "h", 1 / 60), ("mL/min", "L/h", 0.06), ("cells/uL", "cells/L", 1e6), ("%", "", 0.01),
        ("week", "d", 7.0), ("10^9/L", "1/uL", 1e3), ("mL/min/1.73m^2", "mL/min/m^2", 1 / 1.73),
        ("h", "h", 1.0), ("MIU", "IU", 1e6),
    ],
)  # fmt: skip
def test_conversion(source: str, target: str, factor: float) -> None:
    assert conversion(source, target) == pytest.approx(factor, rel=1e-14)
    assert conversion(source, target) * conversion(target, source) == pytest.approx(1, rel=1e-14)


def test_whole_number_conversions_are_exact() -> None:
    assert [conversion("d", "s"), conversion("g", "pg"), conversion("ng/mL", "ug/L")] == [86400.0, 1e12, 1.0]


def test_conversion_names_both() -> None:
    with pytest.raises(
        UnitError, match=r"'mg/L' cannot be converted to 'nmol/L': mass/length\^3 against substance/length"
    ):
        conversion("mg/L", "nmol/L")


def test_products_and_ratios() -> None:
    assert multiply("mg/L", "h") == "mg*h/L"
    assert multiply("mg/L", "L") == "mg"
    assert divide("mg", "mg/L") == "L"
    assert divide("mg", "mg*h/L") == "L/h"
    assert divide("h", "h") == ""
    assert spell(factors("1/h")) == "1/h"


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        ("mg/Lx", "unit 'mg/Lx': 'Lx' is not a known unit (did you mean 'L'?)"),
        ("iu/mL", "unit 'iu/mL': 'iu' is not a known unit (did you mean 'IU'?)"),
        ("mg/", "unit 'mg/': it ends where a name should follow; write for instance mg/L, 1/h, mg*h/L, 10^9/L or m^2"),
        ("mg//L", "unit 'mg//L': a name is missing before '/'"),
        ("m^x", "unit 'm^x': an exponent must be a number"),
        ("(mg", "unit '(mg': a bracket is not closed"),
        ("mg)", "unit 'mg)': ')' is out of place"),
        ("mg@L", "unit 'mg@L': '@' is not understood"),
        ("0/L", "unit '0/L': a factor must be > 0, got 0"),
        ("degF", "unit 'degF': 'degF' has an offset or is logarithmic; use degC for a temperature"),
        (
            "L/h/70kg",
            "'70 kg' under the line is a reference value, no unit; leave it out and write it into the equation",
        ),
        ("L/h/70 kg", "as in (cov.WT / 70)"),
    ],
)
def test_bad_units_are_named(unit: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse(unit)
    assert message in str(caught.value)


def fresh(code: str, cache: Path) -> str:
    """Run code in a new process with its own cache directory; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PKPD_CACHE_DIR": str(cache), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_usual_units_never_import_pint(tmp_path: Path) -> None:
    code = f"import sys; from pkpd.units import parse; [parse(u) for u in {FIELD!r}]; print('pint' in sys.modules)"
    assert fresh(code, tmp_path) == "False"


def test_second_process_reads_the_cache(tmp_path: Path) -> None:
    code = "import sys; from pkpd.units import parse; print(parse('mg/ft').log10, 'pint' in sys.modules)"
    first, second = fresh(code, tmp_path).split(), fresh(code, tmp_path).split()
    assert (first[1], second[1]) == ("True", "False")
    assert first[0] == second[0] == repr(parse("mg/ft").log10)
    (kept,) = tmp_path.iterdir()
    assert list(json.loads(kept.read_bytes()[32:])) == ["ft"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache directory that this process uses, with nothing remembered."""
    monkeypatch.setenv("PKPD_CACHE_DIR", str(tmp_path / "cache"))
    parse.cache_clear()
    return tmp_path / "cache"


def test_cache_keeps_what_others_wrote(cache: Path) -> None:
    parse("ft")
    (file,) = cache.iterdir()
    others = json.loads(file.read_bytes()[32:]) | {"stone": [3.8, [["mass", 1.0]]]}
    keep(file.name, json.dumps(others).encode())
    parse("inch")
    assert sorted(json.loads(file.read_bytes()[32:])) == ["ft", "inch", "stone"]


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"ft": 3}', '{"ft": [null, []]}'])
def test_damaged_cache_counts_as_empty(cache: Path, content: str) -> None:
    keep(names._cache_name(), content.encode())
    assert conversion("ft", "m") == pytest.approx(0.3048, rel=1e-12)


def test_cache_that_cannot_be_written_is_left_alone(cache: Path) -> None:
    cache.write_text("a file where the directory should be")
    assert conversion("ft", "m") == pytest.approx(0.3048, rel=1e-12)
    assert cache.read_text() == "a file where the directory should be"
