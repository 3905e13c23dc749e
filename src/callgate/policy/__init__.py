"""Cedar: from tools and principals to a verdict, without I/O."""
