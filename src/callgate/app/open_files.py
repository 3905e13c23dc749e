"""How many files this process may open: each connection is one, and 1,024 are soon gone."""

from __future__ import annotations

import contextlib
import sys

MOST = 65_536  # more would make programs slow that close all files they could have

if sys.platform == "win32":

    def raise_limit() -> None:
        """There is no such limit here."""

else:
    import resource

    def raise_limit() -> None:
        """As many as the system lets us without asking, or MOST; never fewer than before."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST if hard == resource.RLIM_INFINITY else min(MOST, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
