"""Rows of the record: reached, told as entries, looked through for calls."""
