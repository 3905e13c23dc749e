"""Callgate: the gateway through which every tool call of every agent passes."""

from callgate.scrutiny import Decision, Request, Result

__all__ = ["Decision", "Request", "Result"]
