"""Tocilizumab into a vein in rheumatoid arthritis (Frey 2010).

1793 patients. Two compartments, linear and saturable elimination side by side. In critically ill patients with
COVID-19 the linear clearance was 2.4 times as large: `tocilizumab_moes2022`.

Equations: central' = -CL Cc - Q (Cc - Cp) - Vmax Cc / (Km + Cc); peripheral' = Q (Cc - Cp), with Cc = central / V1,
Cp = peripheral / V2; CL = 0.3 (BSA/1.8)^0.7 (HDL/54)^-0.2 (LNRF/4.7)^0.1, 16% less in women;
V1 = 3.5 (PROT/74)^-1.1 (ALB/38)^0.7; Vmax = 7.5 (ALB/38)^-0.4 (CRCL/106)^0.2, 11% more in smokers (L and mg per day).
"""

from pkpd import Combined, Covariate, Model, Output, Parameter, State


def individual(p, cov):
    albumin = cov.ALB / 38
    female = 1 + p.SEX_CL * cov.SEX
    lipid = (cov.HDL / 54) ** p.HDL_CL * (cov.LNRF / 4.7) ** p.LNRF_CL
    smoking = 1 + p.SMOK_Vmax * cov.SMOK
    return {
        "CL": p.CL * (cov.BSA / 1.8) ** p.BSA_CL * lipid * female,
        "V1": p.V1 * (cov.PROT / 74) ** p.PROT_V1 * albumin**p.ALB_V1,
        "Vmax": p.Vmax * albumin**p.ALB_Vmax * (cov.CRCL / 106) ** p.CRCL_Vmax * smoking,
    }


def dynamics(t, x, p):
    Cc, Cp = x.central / p.V1, x.peripheral / p.V2
    return {
        "central": -p.CL * Cc - p.Q * (Cc - Cp) - p.Vmax * Cc / (p.Km + Cc),
        "peripheral": p.Q * (Cc - Cp),
    }


def outputs(t, x, p):
    return {"Cc": x.central / p.V1}


FILE = "nlmixr2lib Frey_2010"

model = Model(
    "tocilizumab_frey2010",
    reference=(
        "Frey N, et al. J Clin Pharmacol 2010;50:754, doi 10.1177/0091270009350623, by way of nlmixr2lib, "
        "file Frey_2010. Values printed per day are written as value / 24"
    ),
    states=[State("central", "mg", "plasma"), State("peripheral", "mg", "slower tissue")],
    covariates=[
        Covariate("BSA", "m^2", 1.8, "body surface area"),
        Covariate("SEX", "", 0, "1 in women, 0 in men"),
        Covariate("HDL", "mg/dL", 54, "high-density lipoprotein cholesterol"),
        Covariate("LNRF", "", 4.7, "natural logarithm of rheumatoid factor"),
        Covariate("PROT", "g/L", 74, "total protein"),
        Covariate("ALB", "g/L", 38, "albumin"),
        Covariate("CRCL", "mL/min", 106, "creatinine clearance"),
        Covariate("SMOK", "", 0, "1 in smokers, else 0"),
    ],
    parameters=[
        Parameter("CL", 0.3 / 24, "L/h", "linear clearance", cv=0.39, source=f"{FILE}: 0.3 L/d"),
        Parameter("V1", 3.5, "L", "central volume", cv=0.37, source=FILE),
        Parameter("Q", 0.2 / 24, "L/h", "clearance to the periphery", source=f"{FILE}: 0.2 L/d"),
        Parameter("V2", 2.9, "L", "peripheral volume", cv=0.66, source=FILE),
        Parameter("Vmax", 7.5 / 24, "mg/h", "largest rate of the saturable path", cv=0.54, source=f"{FILE}: 7.5 mg/d"),
        Parameter("Km", 2.7, "mg/L", "concentration of half that rate", source=FILE),
        Parameter("BSA_CL", 0.7, "", "exponent of BSA on CL", source=FILE),
        Parameter("SEX_CL", -0.16, "", "relative change of CL in women", source=FILE),
        Parameter("HDL_CL", -0.2, "", "exponent of HDL on CL", source=FILE),
        Parameter("LNRF_CL", 0.1, "", "exponent of LNRF on CL", source=FILE),
        Parameter("PROT_V1", -1.1, "", "exponent of total protein on V1", source=FILE),
        Parameter("ALB_V1", 0.7, "", "exponent of albumin on V1", source=FILE),
        Parameter("ALB_Vmax", -0.4, "", "exponent of albumin on Vmax", source=FILE),
        Parameter("CRCL_Vmax", 0.2, "", "exponent of CRCL on Vmax", source=FILE),
        Parameter("SMOK_Vmax", 0.11, "", "relative change of Vmax in smokers", source=FILE),
    ],
    outputs=[Output("Cc", "mg/L", "serum concentration", error=Combined(add=2.4, prop=0.22))],
    individual=individual,
    dynamics=dynamics,
    calculate=outputs,
)
