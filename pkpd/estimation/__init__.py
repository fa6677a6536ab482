"""Estimation of nonlinear mixed-effects models from event tables."""
