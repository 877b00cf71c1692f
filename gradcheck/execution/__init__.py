"""Where and how cases are run: in this process, in workers that may die, on an executor; what is kept of them."""
