"""Estimation: from observations of people to what is known of a model's parameters, and of each person."""
