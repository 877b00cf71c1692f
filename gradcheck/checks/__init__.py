"""What is asked of a subject. Each check knows a `Probe` of the subject and the differences of `gradcheck.numeric`."""
