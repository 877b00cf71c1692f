"""Small layers for tests: right ones, and the same with a fault planted."""
