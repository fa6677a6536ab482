"""How well estimates are known: covariance, bootstrap, profiles, sampling importance resampling."""
