"""Mutants: right layers with an error of hand-written backward passes planted, which a check must kill."""
