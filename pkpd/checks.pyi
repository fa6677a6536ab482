from .estimation.checks.changed_assumptions import assumptions as assumptions
from .estimation.checks.held_out import Response as Response
from .estimation.checks.held_out import leave_one_patient_out as leave_one_patient_out
from .estimation.checks.ledger import evidence_ledger as evidence_ledger
from .estimation.checks.prediction_errors import npde as npde
from .estimation.checks.prospects.api import Prospects as Prospects
from .estimation.checks.prospects.api import what_would_tell as what_would_tell
from .estimation.checks.prospects.design import Design as Design
from .estimation.checks.prospects.design import designs_from as designs_from
from .estimation.checks.prospects.words import prospects_text as prospects_text
from .estimation.checks.region import region_odds as region_odds
from .estimation.checks.residuals import diagnostics as diagnostics
from .estimation.checks.rival_models import rivals as rivals
from .estimation.checks.rows import listing as listing
from .estimation.checks.sbc import simulation_based_calibration as simulation_based_calibration
from .estimation.checks.subject_curves import curves as curves
from .estimation.checks.visual import vpc as vpc
from .validation.api import validate_model as validate_model

__all__: list[str]
