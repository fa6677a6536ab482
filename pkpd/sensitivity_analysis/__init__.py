"""What drives an answer: derivatives, screening, shares of variance, identifiability."""
