"""The peers that are compared, in the order of the tables."""

from __future__ import annotations

from peers import callgate, contextforge, fastmcp_proxy
from peers.direct import Direct
from peers.envoy import Envoy
from peers.peer import Peer

# For the measurements that only Callgate is asked for: its caller may see every tool.
CALLGATE: Peer = callgate.WITH_ALL_TOOLS

PEERS: tuple[Peer, ...] = (
    Direct(),
    Envoy(),
    *callgate.VARIANTS,
    *fastmcp_proxy.VARIANTS,
    *contextforge.VARIANTS,
)
# For streams and questions, and for clients and targets of different eras.
CONVERSING: tuple[Peer, ...] = (Direct(), callgate.CONVERSING, *fastmcp_proxy.CONVERSING)
