"""Studies: a model, reported evidence and priors become a posterior, with checks of how far to trust it."""
