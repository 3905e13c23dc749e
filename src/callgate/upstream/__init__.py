"""One file per kind of target, and the catalogue of their tools."""
