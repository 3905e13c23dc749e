"""One file per thing that can stand between the load and the target."""
