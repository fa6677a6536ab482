"""Exposure from concentration curves: peaks, areas, troughs, half-lives, accumulation, time above a threshold."""

from pkpd.metrics.dataset import exposure
from pkpd.metrics.summary import exposure_summary

__all__ = ["exposure", "exposure_summary"]
