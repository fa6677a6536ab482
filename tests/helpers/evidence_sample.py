"""A small report of one's own, whose cells the tests change."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pkpd.evidence.words import COLUMNS

CARD = """name = "mine"
citation = "Nobody N. A report, 2024"
doi = ""
kind = "two patients that nobody saw"
readable = ["all of it"]
day_zero = "first symptom"
start_day = -2
cohorts = ["mild", "grave"]
drugs = ["ruxolitinib"]

[markers]
procalcitonin = "ng/mL"
"""

PATIENTS = """patient,cohort,quantity,printed,printed_unit,value,unit,known,where,reason
p1,mild,age,40,y,40,year,read,Table 1,
p1,mild,WT,80000,g,80000,g,read,Table 1,
p1,mild,CRCL,renal failure,,20,mL/min,assumed,text,dialysis was considered
p2,grave,sex,F,,female,,read,Table 1,
"""

DOSES = """patient,drug,printed,amt,unit,route,start,interval,number,duration,known,where,reason
p1,anakinra,100 mg SC daily x3,100,mg,SC,1,24,3,,read,Table 1,
p1,tocilizumab,8 mg/kg,0.64,g,IV,0.5,,1,1,derived,Table 1,80 kg
p1,dexamethasone,10 mg PO,10,mg,PO,-2,12,2,,read,text,
p2,anakinra,"100 mg, once",100,mg,IV,1,,1,,read,Table 1,
"""

_HEADER = (
    "fact,patient,marker,kind,time,time_to,at,op,printed,printed_unit,"
    "value,value_to,unit,reading_sd,use,known,where,reason\n"
)

FACTS = f"""{_HEADER}\
p1_crp_peak,p1,CRP,peak,0,5,2,,28,mg/dL,28,,mg/dL,0.05,fit,read,Table 1,
p1_ferritin,p1,ferritin,value,1,,,,900,ng/mL,900,,ug/L,,fit,read,Table 1,
p1_ldh,p1,LDH,below,0,4,,,normal,,250,,U/L,,fit,assumed,text,no limit is printed
p1_fall,p1,CRP,change,2,4,,<,fell,,1,,,,fit,derived,text,falling
p1_grade,p1,ICANS,grade,3,,,,low,,1,2,,,fit,read,text,
p1_pct,p1,procalcitonin,value,1,,,,3,ug/L,3,,ug/L,,fit,read,text,
p2_death,p2,death,event,6,,,,Day 6 (sepsis),,1,,,,no,read,text,an outcome
p2_cells,p2,IL6,nadir,0,5,3,,4,pg/mL,4,,pg/mL,,check,read,text,held back
all_order,,LDH,order,,,,,lower,,lower,,,,no,read,text,a comparison of groups
"""

FILES = {"source.toml": CARD, "patients.csv": PATIENTS, "doses.csv": DOSES, "facts.csv": FACTS}


def write_sample(folder: Path, **changed: str | bytes | None) -> Path:
    """Write the report into ``folder/mine``; ``facts=...`` replaces ``facts.csv``, None leaves it out."""
    home = folder / "mine"
    home.mkdir(parents=True, exist_ok=True)
    for file, text in FILES.items():
        given = changed.get(file.partition(".")[0], text)
        if given is not None:
            (home / file).write_bytes(given if isinstance(given, bytes) else given.encode())
    return home


def with_cells(file: str, line: int, cells: Mapping[str, str]) -> str:
    """Return a table of the sample with other cells in one line, counted from 1 with the header."""
    rows = list(csv.reader(io.StringIO(FILES[file])))
    for column, cell in cells.items():
        assert column in COLUMNS[file]
        rows[line - 1][rows[0].index(column)] = cell
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()
