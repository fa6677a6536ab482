"""Anakinra under the skin or into a vein: slow absorption, small volume, renal clearance.

The library's default for anakinra in adults. Absorption from the skin is slower than elimination (flip-flop), so the
terminal half-life after an injection is that of absorption. A dose into the depot is subcutaneous, one into the
central compartment intravenous. Endogenous IL-1Ra (at most 1% of a peak) is left out.

Equations: depot' = -ka depot; central' = ka depot - CL Cc; Ccsf' = kin_csf Cc - kout_csf Ccsf, with Cc = central / V
and CL = CL(100) 10^(0.62 (r - 1)) (WT/70)^0.47, V = V(70 kg) (WT/70)^0.76, r = CRCL/100 but at most 1.2. The renal
term is Yang 2003: log10 (CL/F [mL/min]) = 1.65 + 0.0062 CLcr; beyond 120 mL/min it is not extrapolated.

Where the sources disagree:

Volume: V/F is 9.9 L (Yang 2001), 18.5 L (35 patients with rheumatoid arthritis), 53.7 L (Jung 2023) or 65 L (Urien
2013). With fast absorption the large ones describe subcutaneous data as well as the small ones do with slow
absorption, but only the small ones go with the intravenous clearance of 8.2 L/h. Chosen: 18.5 L.

Bioavailability: 0.95 (US label, 11 subjects) or 0.80-0.92 (trial 20010168, 32 subjects, crossover). Chosen: the middle
of the latter, which also fits CL/F 170 beside CL 137 mL/min in Yang 2003.

Clearance: CL/F is 186 mL/min at CLcr 100 by the regression, 170 (SD 37) in its normal group, 150 (SD 52) in Chinese
patients, 107 by Yang 2001 and 104 by Urien 2013 (children). In end-stage disease Yang 2003 has CL/F 42.7 under the
skin and CL about 20 into a vein, which no F explains; the model gives 45 and 38. Clearance by CLcr and by weight may
count weight twice where CLcr comes from a formula that contains it.

Not described: 133 mg/h into a vein for 6 h gave 34 mg/L (human endotoxaemia), which implies a clearance of at most 3.9
L/h.

Absorption: the terminal half-life is 3.8 and 4.0 h in two studies, 4-6 h in the US label. Chosen: 4.5 h.

Variability was not published for this form. That of CL is from Urien 2013, those of V and ka from Jung 2023, in whose
model the two play each other's part. Residual error is from Jung 2023 (healthy, rich sampling); Urien 2013 has 0.072
mg/L, additive.
"""

from pkpd import Combined, Covariate, Model, Output, Parameter, State
from pkpd.math import minimum


def individual(p, cov):
    renal = minimum(cov.CRCL / 100, p.CRCL_max) - 1
    weight = cov.WT / 70
    return {"CL": p.CL * 10 ** (p.CRCL_CL * renal) * weight**p.WT_CL, "V": p.V * weight**p.WT_V}


def dosing(p):
    return {"depot": {"F": p.F}}


def dynamics(t, x, p):
    absorbed, Cc = p.ka * x.depot, x.central / p.V
    return {
        "depot": -absorbed,
        "central": absorbed - p.CL * Cc,
        "csf": p.kin_csf * Cc - p.kout_csf * x.csf,
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V, "Ccsf": x.csf}


YANG, URIEN, JUNG = "Yang 2003, abstract", "Urien 2013", "Jung 2023, suppl. Table S5"
SOURCE = {
    "CL": f"0.86 x 10^2.27 mL/min, {YANG}; variability {URIEN}",
    "V": f"0.86 x 18.5 L, SmPC pooled analysis, not verified; variability {JUNG}",
    "ka": f"half-life 4.5 h: 3.8-4.0 h in studies, 4-6 h in the US label; variability {JUNG}",
    "F": "middle of 0.80-0.92, trial 20010168, abstract; 0.95 in the US label",
    "csf": "Gueorguieva 2008 (RSE 19%), not verified",
}

model = Model(
    "anakinra",
    reference=(
        "Yang BB, et al. Clin Pharmacol Ther 2003;74:85-94, doi 10.1016/S0009-9236(03)00094-8; Urien S, et al. BMC "
        "Pharmacol Toxicol 2013;14:40; Jung W, et al. Pharmaceutics 2023;15:304; Gueorguieva I, et al. Br J Clin "
        "Pharmacol 2008;65:317. Abstracts and transcriptions were read"
    ),
    states=[
        State("depot", "mg", "injection site"),
        State("central", "mg", "plasma"),
        State("csf", "mg/L", "concentration in cerebrospinal fluid"),
    ],
    covariates=[
        Covariate("WT", "kg", 70, "body weight"),
        Covariate("CRCL", "mL/min", 100, "creatinine clearance"),
    ],
    parameters=[
        Parameter("CL", 9.61, "L/h", "clearance at CRCL 100, 70 kg", sd=0.28, source=SOURCE["CL"], known="derived"),
        Parameter("V", 15.9, "L", "volume at 70 kg", cv=0.201, source=SOURCE["V"], known="derived"),
        Parameter("ka", 0.154, "1/h", "absorption rate constant", cv=0.27, source=SOURCE["ka"], known="derived"),
        Parameter("F", 0.86, "", "bioavailability", bounds=(0, 1), source=SOURCE["F"], known="derived"),
        Parameter("CRCL_CL", 0.62, "", "log10 CL per 100 mL/min", source=f"0.0062, {YANG}", known="derived"),
        Parameter("CRCL_max", 1.2, "", "CRCL / 100 from where CL stays", source=YANG, known="assumed", fixed=True),
        Parameter("WT_CL", 0.47, "", "exponent of weight on CL", source=f"{URIEN}, by way of nlmixr2lib"),
        Parameter("WT_V", 0.76, "", "exponent of weight on V", source=f"{URIEN}, by way of nlmixr2lib"),
        Parameter("kin_csf", 0.0019, "1/h", "entry into cerebrospinal fluid", source=SOURCE["csf"], known="assumed"),
        Parameter("kout_csf", 0.1, "1/h", "turnover of cerebrospinal fluid", source=SOURCE["csf"], known="assumed"),
    ],
    outputs=[
        Output("Cc", "mg/L", "plasma concentration", error=Combined(add=0.0294 * 0.0173, prop=0.113)),
        Output("Ccsf", "mg/L", "concentration in cerebrospinal fluid"),
    ],
    individual=individual,
    dosing=dosing,
    dynamics=dynamics,
    calculate=outputs,
)
