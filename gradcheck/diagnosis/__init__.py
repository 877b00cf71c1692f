"""Which explanation fits a wrong gradient: asked only when something failed."""
