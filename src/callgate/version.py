"""Which Callgate this is."""

from importlib.metadata import version

VERSION = version("callgate")
