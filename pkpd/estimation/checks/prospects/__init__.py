"""Which further measurements would tell: designs, what they would show, and how much narrower a parameter would be."""
