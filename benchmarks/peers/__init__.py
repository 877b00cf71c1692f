"""Gradcheck beside its peers, on the same NumPy functions: what a check costs, what it finds, what it blames wrongly."""
