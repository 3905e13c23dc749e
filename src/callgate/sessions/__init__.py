"""What joins calls: runs."""
