"""Which of several models: covariates, likelihood ratios."""
