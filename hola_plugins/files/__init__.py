"""Files: those of others, read with limits, and those of this package, written whole or not at all."""
