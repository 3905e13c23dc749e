"""Callgate: the gateway through which every tool call of every agent passes."""
