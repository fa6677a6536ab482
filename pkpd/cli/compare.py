"""``pkpd compare``: several schedules in the same people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pkpd.cli import arguments as given
from pkpd.cli.console import Debug, console, guarded, print_table, wrote
from pkpd.cli.files import check_suffix, save_dataset, save_figure
from pkpd.files import write_whole

__all__ = ["HELP", "NEEDS_ARGUMENTS", "command"]

NEEDS_ARGUMENTS = True

HELP = f"""Compare schedules in the same people: exposure, blockade, markers, grades, with their uncertainty.

\b
The schedules that a model's files know (all of them, or chosen with --schedule) in 300 persons:
  pkpd compare MODEL --covariate CRCL=20 --n 300

\b
Schedules and targets of one's own:
  pkpd compare my/own.py -d "daily=100 mg q24h x7" -d "BID=50 mg BID x7d" \\
       --target "Cc > 0.1 mg/L at trough" --out compared.csv

\b
What a calibration knows of new patients of a cohort, from the onset of their illness:
  pkpd compare {given.first_of("calibration")} --cohort COHORT --figure compared.png

\b
Or of one patient, with his other drugs, from his own first dose, in days of his report:
  pkpd compare {given.first_of("calibration")} --patient SEED/PATIENT -d "daily=100 mg SC q24h x7"

The spread over people is between patients; of a calibration it is also what is not known.
"""


@guarded
def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_OR_FIT",
            help="A model (name or .py file), a fitted study (name), a calibration (.nc file) or a folder of results.",
        ),
    ],
    *,
    dose: given.Doses = None,
    schedule: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="One of the model's known schedules; may be repeated.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(metavar="STUDY", help="The study of a .nc file that has no study.py beside it.")
    ] = None,
    patient: Annotated[str | None, typer.Option(help="A patient of a calibration.")] = None,
    cohort: Annotated[str | None, typer.Option(help="New patients of a cohort of a calibration.")] = None,
    covariate: given.Covariates = None,
    start: Annotated[
        float | None,
        typer.Option(
            help="When the schedules begin, hours of the people's clock. By default a patient's own first dose of the "
            "drug, the onset of illness in new patients of a cohort, or 0."
        ),
    ] = None,
    background: Annotated[
        bool | None,
        typer.Option(
            "--background/--no-background",
            help="Whether a patient's own other drugs go on as they were given; they do by default.",
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TARGET", help="e.g. 'Cc > 0.1 mg/L at trough' or 'blockade > 0.9 at trough'; may be repeated."
        ),
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A measure, or all; the main ones by default.")
    ] = None,
    ic50: Annotated[
        float | None,
        typer.Option("--ic50", help="Concentration that blocks half of the target, where the model says none."),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="People, or draws of a calibration.")] = 300,
    seed: given.Seed = 0,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The measures: .csv (table) or .nc.")] = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw them: .png, .svg or .pdf.")] = None,
    debug: Debug = False,
) -> None:
    """Compare schedules; see ``pkpd compare --help``."""
    if out:
        check_suffix(out, (".csv", ".nc"))
    if figure:
        check_suffix(figure, (".png", ".svg", ".pdf"), "--figure")
    from pkpd.comparison.compare import compare
    from pkpd.units.time import convert_time

    given_source, model = _source(source, study)
    covariates = given.assignments(covariate, "--covariate", list(model.covariates))
    found = compare(
        given_source, _arms(dose, schedule, model, covariates), patient=patient, cohort=cohort,
        covariates=covariates or None, n=n, targets=target or None, measures=_measures(measure), IC50=ic50, seed=seed,
        start=None if start is None else float(convert_time(start, "h", model.time_unit)), background=background,
    )  # fmt: skip
    table = found.table().reset_index()
    rows = [[str(value).replace(" [", "\n[") for value in row] for row in table.itertuples(index=False, name=None)]
    print_table(
        found.about,
        [str(c).replace("*", "·") for c in table.columns],
        rows,
        "median [5-95%]; probabilities are averages",
    )
    for line in found.head:
        console().print(line, markup=False, soft_wrap=True)
    console().print("Research software: a simulation, not medical advice.", style="bold")
    if out:
        if out.suffix == ".csv":
            write_whole(out, found.table(text=False).to_csv(float_format="%.6g"))
        else:
            save_dataset(found.dataset, out)
        wrote(out)
    if figure:
        from pkpd.plot.schedule import comparison as draw
        from pkpd.report.figures import figure_of

        save_figure(figure_of(draw(found)), figure)
        wrote(figure)


def _measures(texts: list[str] | None) -> Any:
    return "all" if texts == ["all"] else texts or None


def _source(source: str, study: str | None) -> tuple[Any, Any]:
    """Return what is compared in, and its model."""
    from pkpd.catalogue import content_names
    from pkpd.estimation.study.files import load_study_fit, result_in

    if source.endswith(".nc") or source in content_names("calibration") or result_in(source) is not None:
        fit = load_study_fit(source, study=study)
        return fit, fit.study.problem.model
    from pkpd.errors import LibraryError, nearest
    from pkpd.library import load_model

    known = [*content_names("models"), *content_names("calibration")]
    if not given.looks_like_path(source) and source not in known:
        raise LibraryError(f"there is no model or study '{source}'{nearest(source, known)}; see pkpd models")
    model = load_model(source)
    return model, model


def _arms(dose: Any, schedule: Any, model: Any, covariates: Any) -> dict[str, Any]:
    from pkpd.comparison.arms import Arm
    from pkpd.comparison.known_schedules import schedules

    parsed = given.regimens_of(dose, model, None, covariates)
    # What is written in words begins where the treatment does.
    arms: dict[str, Any] = {name: Arm(regimen, relative=True) for name, regimen in parsed.items()}
    known = schedules(model)
    for name in schedule or ([] if dose else list(known)):
        arms[name] = known[given.one_of(name, list(known), "schedule")]
    if not arms:
        raise typer.BadParameter(f"model '{model.name}' knows no schedule; give doses: --dose 'NAME=100 mg q24h x7'")
    return arms
