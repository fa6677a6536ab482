"""Exposure from concentration curves: peaks, areas, troughs, half-lives, accumulation, time above a threshold."""

from pkpd.exposure.dataset import exposure
from pkpd.exposure.summary import exposure_summary

__all__ = ["exposure", "exposure_summary"]
