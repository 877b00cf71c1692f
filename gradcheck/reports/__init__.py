"""Records of runs, studies and timings as text, JSON, JUnit XML and HTML pages."""
