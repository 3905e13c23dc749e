"""One file per kind of proof that a caller can present."""
