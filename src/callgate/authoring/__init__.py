"""Work on policies before they are in force: analysis in processes, drafts by a model."""
