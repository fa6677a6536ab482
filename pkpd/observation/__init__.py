"""How probable what was reported of subjects is under a model: log-likelihood and gradient, for any estimator."""
