"""Least-privilege policies from calls: what was seen, the bounds that hold of it, in Cedar."""
