"""What is said in short follows from the numbers: made-up results, and the sentence each must, and must not, give."""

from __future__ import annotations

import numpy as np
import pytest

from pkpd.report.headline import (
    Change,
    Misfit,
    change_sentence,
    misfit_alerts,
    misfit_sentence,
    told_sentence,
    untold_sentence,
)
from pkpd.report.knowledge import Group, PatientKnowledge, group_of, known_of, stories_of
from pkpd.report.stages.held_out import prediction_text
from pkpd.report.stages.rivals import favoured
from pkpd.report.stages.sensitivity import resting

RNG = np.random.default_rng(5)
PRIOR = RNG.uniform(0, 1, 4000)
"""95% of it in 0.025 to 0.975, a width of 0.95."""


def someone(after: np.ndarray, label: str = "Li p1", **kind) -> PatientKnowledge:
    given = {"silent": False, **kind}
    return known_of((f"li/{label}", label, "c"), after, PRIOR, **given)


def alone(known: PatientKnowledge, after: np.ndarray, condition: str = "") -> Group:
    return group_of("Group", [known], after[:, None], PRIOR[:, None], condition=condition)


# -- what is told


def test_told_is_an_interval_at_most_half_as_wide_as_before():
    narrow, wide = RNG.uniform(0.5, 0.95, 4000), RNG.uniform(0.3, 0.95, 4000)
    assert someone(narrow).state == "told"  # 0.95 of 0.45, and 0.95 before: less than half
    assert someone(wide).state == "leaning"  # 0.95 of 0.65
    assert someone(narrow, silent=True).state == "untold"


def test_width_of_a_logarithmic_quantity_is_that_of_its_logarithm():
    before, after = np.exp(RNG.normal(0, 1.0, 4000)), np.exp(RNG.normal(2, 0.6, 4000))
    assert known_of(("", "", ""), after, before, silent=False, axis="log").state == "leaning"  # 0.6 > half of 1
    assert known_of(("", "", ""), np.exp(0.4 * RNG.normal(size=4000)), before, silent=False, axis="log").state == "told"
    # on the plain axis the same numbers would be another answer: exp(2 + ...) is wider than before
    assert known_of(("", "", ""), 20 * after, before, silent=False, axis="plain").state == "leaning"


def test_a_told_group_is_given_with_interval_and_assumption_in_one_clause():
    after = np.linspace(0.6, 0.8, 4001)
    text = told_sentence([alone(someone(after), after, "if the steroid acts as assumed")], "share of X")
    assert text == (
        "**What is told** of the share of X (middle and 95% interval). **Group, 1 patient**: 0.70 (0.60 to 0.80), if "
        "the steroid acts as assumed."
    )  # 0.605 to 0.795 at the width of 0.19
    assert "two explanations" not in text
    assert "direction" not in text


def test_a_group_that_is_not_told_is_left_out_of_what_is_told():
    group = alone(someone(PRIOR, silent=True), PRIOR)
    assert group.state == "untold"
    assert (
        told_sentence([group], "share of X")
        == "**What is told.** Of no group of patients do the reports tell the share of X."
    )
    said = untold_sentence([group], "X share")
    assert said.startswith("**What cannot be told:** the X share of 1 of 1 patient (all of Group).")
    low, high = np.quantile(PRIOR, [0.025, 0.975])
    assert f"{low:.2g} to {high:.2g} was assumed" in said


def test_a_direction_is_called_one():
    wide = RNG.uniform(0.3, 0.95, 4000)
    assert "only a direction is told" in told_sentence([alone(someone(wide), wide)], "share")


def test_who_cannot_be_told_is_named_and_nobody_else():
    told, silent = someone(np.linspace(0.6, 0.8, 999), "Li p1"), someone(PRIOR, "Li p2", silent=True)
    group = Group("Group", (told, silent), 0.6, 0.4, 0.8, (0, 1), "told")
    said = untold_sentence([group], "share")
    assert "1 of 2 patients (Li p2)" in said
    assert "Li p1" not in said
    none = untold_sentence([Group("Group", (told,), 0.7, 0.6, 0.8, (0, 1), "told")], "share")
    assert "Of every patient the report changed what was believed" in none


def test_what_else_explains_patients_who_are_not_told_is_said_from_a_half_on():
    draws = np.arange(1000)
    stories = stories_of({"X carried it": draws < 900, "it was ending": draws >= 450})
    rare = stories_of({"X carried it": draws < 900, "it was ending": draws >= 550})
    people = [someone(PRIOR, "Li p1", silent=True, stories=stories), someone(PRIOR, "Li p2", silent=True, stories=rare)]
    group = Group("Group", tuple(people), 0.5, 0.1, 0.9, (0, 1), "untold")
    said = untold_sentence([group], "share", besides=["it was ending"])
    assert said.endswith(" Of Li p1, 'it was ending' has a probability of half or more.")  # 55%, and 45% of the other
    assert "X carried it" not in said


# -- two explanations


def test_two_explanations_are_both_said_with_their_probabilities():
    """60 draws in which the drug's target carried it, 30 in which it was ending, 10 in which both hold."""
    carried, ending = np.zeros(100, bool), np.zeros(100, bool)
    carried[:70], ending[60:] = True, True
    stories = stories_of({"IL-1 carried it": carried, "it was ending by itself": ending})
    assert {s.names: s.probability for s in stories} == {
        ("IL-1 carried it",): 0.6,
        ("it was ending by itself",): 0.3,
        ("IL-1 carried it", "it was ending by itself"): 0.1,
    }  # fmt: skip
    after = np.linspace(0.6, 0.8, 999)
    known = someone(after, stories=stories)
    assert known.state == "two"
    text = told_sentence([alone(known, after)], "share")
    assert (
        "two explanations remain: IL-1 carried it (60%); it was ending by itself (30%); IL-1 carried it, and it was"
        in text
    )
    assert "(10%)" in text


@pytest.mark.parametrize(("ending", "two"), [(0.09, False), (0.11, True)])
def test_an_explanation_remains_from_a_tenth_on(ending: float, two: bool):
    ends = np.arange(1000) < 1000 * ending
    known = someone(np.linspace(0.6, 0.8, 999), stories=stories_of({"carried": ~ends, "ending": ends}))
    assert (known.state == "two") is two


def test_one_explanation_that_always_holds_leaves_no_other():
    """That it was ending in a third of the draws explains nothing if the other holds in all of them."""
    third = np.arange(999) < 333
    known = someone(np.linspace(0.6, 0.8, 999), stories=stories_of({"carried": np.ones(999, bool), "ending": third}))
    assert known.state == "told"


def test_a_share_with_much_at_both_ends_is_no_answer():
    both = np.concatenate([RNG.uniform(0, 0.2, 400), RNG.uniform(0.8, 1, 600)])
    known = someone(both)
    assert known.state == "two"
    assert "it was small, or it was large" in told_sentence([alone(known, both)], "share")
    assert someone(np.concatenate([RNG.uniform(0, 0.2, 100), RNG.uniform(0.8, 1, 900)])).state != "two"  # 10% < 15%


def test_a_patient_who_is_not_told_has_no_two_explanations():
    third = np.arange(999) < 333
    known = someone(PRIOR, silent=True, stories=stories_of({"carried": third, "ending": ~third}))
    assert known.state == "untold"


def test_group_of_several_names_those_with_two_explanations():
    after = np.column_stack([np.linspace(0.6, 0.8, 1000), np.linspace(0.6, 0.8, 1000)])
    half = np.arange(1000) < 500
    people = [someone(after[:, 0], "Li p1"), someone(after[:, 1], "Li p2", stories=stories_of({"A": half, "B": ~half}))]
    group = group_of("Group", people, after, np.column_stack([PRIOR[:1000], PRIOR[1000:2000]]))
    text = told_sentence([group], "share")
    assert "0.70 (0.60 to 0.80) on average" in text  # both patients have the same draws
    assert "For Li p2 two explanations remain: A (50%); B (50%)." in text
    assert "For Li p1" not in text


# -- other schedules


def test_a_change_is_told_against_the_relevant_size():
    chances = {"Li p1": 0.95, "Li p2": 0.02, "Li p3": 0.5, "Li p4": 0.1}
    text = change_sentence([Change("twice the doses", chances)], "CRP", "drug", 0.25)
    assert "lower by 25% or more" in text
    assert "Twice the doses: likely for Li p1, ruled out for Li p2 and p4, and not to be told for Li p3." in text
    none = change_sentence([Change("twice the doses", {"Li p1": 0.05, "Li p2": 0.02})], "CRP", "drug", 0.25)
    assert "ruled out for all 2 patients" in none
    assert "likely for" not in none
    assert "not to be told" not in none


# -- what the model does not reproduce


def row(label: str, share: float = 0.9, weakest: float = 0.9, **more) -> dict:
    exception = min(share, weakest) < 0.6
    return {"label": label, "marker": "fever", "facts": 10, "reproduced": 10 * share, "share": share, "all": 0.7,
            "weakest_share": weakest, "exception": exception, **more}  # fmt: skip


def test_exceptions_and_missed_facts_stand_in_the_alerts():
    found = Misfit([row("Li p1", 0.8, 0.35), row("Li p2")], ["Li p2, CRP: CRP > 9; its probability is 1%."], 30, 50)
    alerts = misfit_alerts(found)
    assert alerts[0].startswith("**Exception: Li p1.** New data from the model show 35% of what was reported of fever")
    assert alerts[1] == "**Missed fact.** Li p2, CRP: CRP > 9; its probability is 1%."
    assert len(alerts) == 2
    text = misfit_sentence(found)
    assert "the course of Li p1" in text
    assert "1 fact lies outside" in text
    assert "it has 50 numbers for 30 facts" in text


def test_without_exceptions_there_is_no_alert_and_none_is_claimed():
    found = Misfit([row("Li p1"), row("Li p2")], [], 60, 50)
    assert misfit_alerts(found) == []
    text = misfit_sentence(found)
    assert "no patient is an exception" in text
    assert "no fact lies outside" in text
    assert "new data show 90%" in text
    assert "it was fitted to these facts" in text


def test_many_alerts_are_cut_with_their_count():
    alerts = misfit_alerts(Misfit([], [f"fact {k}" for k in range(20)], 30, 10))
    assert len(alerts) == 7
    assert alerts[-1] == "And 14 more, under Checks."


def rival(name: str, factor: float, error: float = 0.1) -> dict:
    return {"rival": name, "cohort": "c", "log_bayes_factor": factor, "bf_error": error, "weight": 0.5}


def test_a_rival_is_favoured_only_beyond_its_error():
    base = rival("as in the study", 0.0, 0.0)
    assert favoured([base, rival("it ends", 0.9)], "c", "Group") == ""
    assert favoured([base, rival("it ends", 1.5, 0.5)], "c", "Group") == ""  # 1.5 - 2 * 0.5 < log 3
    text = favoured([base, rival("it ends", float(np.log(20)))], "c", "Group")
    assert text.startswith("Of Group the facts favour 'it ends' over the study as it is (Bayes factor 20,")
    assert text in misfit_sentence(Misfit([row("a")], [], 3, 2, [text]))


def test_an_answer_names_the_facts_that_it_rests_on():
    import pandas as pd

    def line(without: str, patient: str, shift: float, facts: int = 2) -> dict:
        return {"without": without, "patient": patient, "facts": facts, "shift": shift, "2.5%": 0.1, "50%": 0.5,
                "97.5%": 0.9}  # fmt: skip

    table = pd.DataFrame([line("nothing", "r/a", 0.0, 0), line("grades", "r/a", -0.4), line("bounds", "r/a", -1.4),
                          line("bounds", "r/b", -3.0)])  # fmt: skip
    label = {"r/a": "R a", "r/b": "R b"}
    assert resting(table, ["r/a"], label) == "without bounds it would be 0.50 (0.10 to 0.90)"
    assert resting(table, ["r/a", "r/b"], label).startswith("without bounds that of R b would be")
    assert (
        resting(table.loc[table["without"] != "bounds"], ["r/a"], label) == ""
    )  # 0.4 of a standard deviation is little
    assert resting(None, ["r/a"], label) == ""


@pytest.mark.parametrize(("gain", "said"), [(0.2, "do tell something"), (0.05, "could not have been foreseen"),
                                            (-0.2, "misleads")])  # fmt: skip
def test_prediction_of_patients_left_out_is_judged_by_its_error(gain: float, said: str):
    scores = {"model": {"brier": 0.2}, "cohort base rate": {"brier": 0.2 + gain, "gain": gain, "gain_se": 0.05}}
    text = prediction_text(scores, 9, [])
    assert said in text
    assert "alone" not in text.split(":")[-1]
    single = prediction_text(scores, 9, ["Li p1"])
    assert single.endswith("Of Li p1, alone in a group, nobody else of the group could tell anything: there the "
                           "prediction is what was assumed.")  # fmt: skip
