"""What drives an answer: derivatives, screening, shares of variance, profiles of the likelihood."""
