"""What checks, studies and timings found, as data, and that data as JSON."""
