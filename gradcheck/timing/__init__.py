"""Numeric against analytic gradients: what each costs, and how that grows with the number of entries."""
