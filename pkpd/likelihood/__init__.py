"""How probable what was reported of subjects is under a model: the log-likelihood and its gradient, for any estimator."""
