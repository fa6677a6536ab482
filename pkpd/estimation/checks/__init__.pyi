from .prediction_errors import npde as npde
from .residuals import diagnostics as diagnostics
from .rows import listing as listing
from .subject_curves import curves as curves
from .visual import vpc as vpc
