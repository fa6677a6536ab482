"""A study of one's own on disk: a small model, one report of two patients, and priors."""

from __future__ import annotations

from pathlib import Path

MODEL = '''"""One compartment, and a marker that the drug holds down."""

from pkpd import LogNormal, Model, Output, Parameter, State


def dynamics(t, x, p):
    return {"depot": -p.ka * x.depot, "central": p.ka * x.depot - p.CL / p.V * x.central}


def outputs(t, x, p):
    C = x.central / p.V
    return {"Cc": C, "CRP": p.CRP0 * (1 - p.phi * C / (p.IC50 + C))}


model = Model(
    "own",
    states=[State("depot", "mg"), State("central", "mg")],
    parameters=[
        Parameter("CL", 5.0, "L/h", "clearance"),
        Parameter("V", 50.0, "L", "volume"),
        Parameter("ka", 0.9, "1/h", "absorption"),
        Parameter("phi", 0.5, "", "share of the drive", bounds=(0, 1)),
        Parameter("IC50", 0.3, "mg/L", "half effect"),
        Parameter("CRP0", 100.0, "mg/L", "without the drug"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=LogNormal(0.2)),
        Output("CRP", "mg/L", "C-reactive protein", error=LogNormal(0.2)),
    ],
    dynamics=dynamics,
    calculate=outputs,
)
'''

STUDY = '''"""What two patients say about the share."""

from pathlib import Path

from pkpd import Free, Study

HERE = Path(__file__).parent

study = Study(
    "mine",
    model=HERE / "own.py",
    evidence=[HERE / "report"],
    free=[
        Free("CL", (5.0, 0.3), source="a guess"),
        Free("phi", {"*": (0.5, 1.5)}, scale="logit", level="patient", pooling="cohort", spread=0.5),
    ],
    drugs=["anakinra"],
    title="The share in two patients",
)
'''

SOURCE = """name = "report"
citation = "Nobody A, Noone B. An invented report. 2024"
doi = ""
kind = "two invented adults"
day_zero = "admission"
start_day = 0
cohorts = ["mine"]
readable = []
"""

PATIENTS = """patient,cohort,quantity,printed,printed_unit,value,unit,known,where,reason
a,mine,age,60,y,60,year,read,text,
b,mine,age,41,y,41,year,read,text,
"""

DOSES = """patient,drug,printed,amt,unit,route,start,interval,number,duration,known,where,reason
a,anakinra,100 mg daily,100,mg,SC,0,24,3,,read,text,
b,anakinra,100 mg daily,100,mg,SC,0,24,3,,read,text,
"""

_COLUMNS = "fact,patient,marker,kind,time,time_to,at,op,printed,printed_unit,value,value_to,unit,reading_sd,use,known"
FACTS = f"""{_COLUMNS},where,reason
a_crp,a,CRP,value,0.25,,,,30,mg/L,30,,mg/L,,fit,read,text,
a_low,a,CRP,below,1.1,,,,<90,mg/L,90,,mg/L,,fit,read,text,
b_crp,b,CRP,value,0.25,,,,80,mg/L,80,,mg/L,,fit,read,text,
"""


def write_study(folder: Path) -> Path:
    """Write model, report and study into a folder and return the study's file."""
    report = folder / "report"
    report.mkdir(parents=True)
    for name, text in (("source.toml", SOURCE), ("patients.csv", PATIENTS), ("doses.csv", DOSES), ("facts.csv", FACTS)):
        (report / name).write_text(text, encoding="utf-8")
    (folder / "own.py").write_text(MODEL, encoding="utf-8")
    path = folder / "study.py"
    path.write_text(STUDY, encoding="utf-8")
    return path
