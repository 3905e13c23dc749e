"""The order of things: the stages of one call, through ports only."""
