"""Mistakes that hand-written backward passes make, to be planted into right ones: what a check must be able to see."""
