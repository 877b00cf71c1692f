"""ε-differences of vector functions: quotients, steps, error bars. Knows arrays, no layers and no subjects."""
