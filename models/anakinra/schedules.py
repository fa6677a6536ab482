"""Schedules of anakinra over two weeks by name, in the shorthand, each with its source.

Doses by weight follow each subject's own.
"""

schedules = {
    "100 mg daily": ("100 mg SC daily x14", "US label; Strati 2020, Naviglio 2021 (7 days and more); read"),
    "100 mg BID": ("100 mg SC BID x14d", "Naviglio 2021, after daily doses; read"),
    "100 mg every other day": (
        "100 mg SC every other day x7",
        "US label for creatinine clearance < 30 mL/min; Strati 2020, patient 5; read",
    ),
    "200 mg daily": (
        "200 mg SC daily x14",
        "liso-cel prophylaxis trial, 200 mg/d; Strati 2020, patient 8, one dose; read",
    ),
    "100 mg BID day 1, then daily": (
        "100 mg SC BID x1d then 100 mg SC daily x13",
        "Villegas 2020, there for 5 days; read",
    ),
    "100 mg IV daily": (
        "100 mg IV over 0.5 h daily x14",
        "trial 20010168 gave 100 mg IV once; daily doses and half an hour are assumed",
    ),
    "2 mg/kg/h IV for 72 h": (
        "2 mg/kg/h IV for 72 h",
        "highest rate of the sepsis programme, 1015 patients, by way of an SmPC; read",
    ),
}
