"""The former name of a part of `gradcheck.runs`."""
