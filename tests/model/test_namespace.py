"""Named values with the nearest name where one is missing."""

from __future__ import annotations

import pytest

from pkpd.errors import ModelError
from pkpd.model.namespace import namespace

P = namespace("model 'anakinra'", "parameter", {"CL": 1.0, "V": 2.0, "ka": 3.0, "tcz.CL": 4.0, "tcz.V": 5.0})


def test_names_are_attributes_keys_and_iterate():
    assert (P.CL, P["V"], P.tcz.CL) == (1.0, 2.0, 4.0)
    assert list(P) == ["CL", "V", "ka", "tcz"]
    assert list(P.tcz) == dir(P.tcz) == ["CL", "V"]
    assert "CL" in P
    assert "Cl" not in P
    assert len(P) == 4
    assert repr(P.tcz) == "parameters of part 'tcz' of model 'anakinra': CL=4.0, V=5.0"


def test_missing_name_gives_the_nearest():
    flat = namespace("model 'anakinra'", "parameter", {"CL": 1.0, "V": 2.0, "ka": 3.0})
    with pytest.raises(ModelError) as caught:
        _ = flat.Cl
    assert str(caught.value) == "model 'anakinra' has no parameter 'Cl'; it has CL, V, ka (did you mean 'CL'?)"
    with pytest.raises(ModelError, match=r"part 'tcz' of model 'anakinra' has no parameter 'kaa'; it has CL, V$"):
        _ = P.tcz.kaa


def test_name_of_another_kind_says_where_it_is():
    x = namespace("model 'm'", "state", {"depot": 1.0}, {"CL": "p.CL"})
    with pytest.raises(ModelError, match=r"model 'm' has no state 'CL'; it has depot; write p\.CL"):
        _ = x.CL


def test_missing_names_can_be_asked_for():
    assert not hasattr(P, "Cl")
    assert getattr(P, "Cl", None) is None


def test_assignment_is_refused():
    with pytest.raises(ModelError, match="model 'anakinra': parameter 'CL' is assigned; return values by name instead"):
        P.CL = 3.0
    with pytest.raises(ModelError, match="parameter 'CL' is assigned"):
        del P.CL
