"""Building blocks from which cases are drawn: value regimes (`values`) and window geometry (`windows`)."""
