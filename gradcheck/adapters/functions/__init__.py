"""Functions: pairs of forward and backward, callbacks, tapes, derivatives and losses."""
