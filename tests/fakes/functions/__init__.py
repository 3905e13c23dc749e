"""Lambda functions as people have them, written from the behaviour that AWS's samples document."""
