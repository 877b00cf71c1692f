"""Gradcheck beside its peers, on the same NumPy functions: what a check costs, finds, blames wrongly."""
