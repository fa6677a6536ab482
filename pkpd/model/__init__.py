"""What a model is: declarations, variability, the traced equations, their description."""
