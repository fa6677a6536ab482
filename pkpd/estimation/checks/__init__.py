"""Whether a fit agrees with its data: residuals, predictive checks, simulation-based calibration, patients held out."""
