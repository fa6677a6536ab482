"""Numerical methods as data, and the loops that integrate one lane a subject."""
