"""`callgate demo`: a gateway to watch, in a directory to change."""
