"""Who countersigns the record's checkpoints, so that nobody can rewrite it unseen."""
