"""What policies mean: findings and comparisons, proven with an SMT solver (extra `analysis`)."""
