"""Deletion that keeps the proofs: after a time, by selector, and never what is held."""
