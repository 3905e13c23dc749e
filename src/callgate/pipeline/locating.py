"""Which target a request is for, and what it is there: names of a route → the target's own."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.model import Call, Json, Refused, Value, qualify, split_name
from callgate.pipeline.sealing import Seal
from callgate.protocol.methods import METHODS
from callgate.protocol.naming import shown_uri, split_uri

TASK = "task"  # the purpose of the tokens that stand for task ids


class Place(Value):
    """Where a request goes, with its arguments in the target's own names."""

    target: str
    arguments: dict[str, Json]


class Route(Value):
    """One endpoint: all targets together (`target` None), or one with its own names untouched."""

    target: str | None
    targets: Sequence[str]  # of the whole gateway, in the order of the configuration

    def names(self) -> Sequence[str]:
        """The targets that this route leads to."""
        return self.targets if self.target is None else (self.target,)

    def shown_name(self, target: str, name: str) -> str:
        """A tool's or prompt's name as this route shows it."""
        return name if self.target is not None else qualify(target, name)

    def shown_uri(self, target: str, uri: str) -> str:
        """A resource's URI, or URI template, as this route shows it."""
        return uri if self.target is not None else shown_uri(target, uri)

    def split_uri(self, shown: str) -> tuple[str, str] | None:
        """(target, its own URI); None where the URI names no target."""
        if self.target is not None:
            return self.target, shown
        return split_uri(shown, self.targets)


def locate(call: Call, route: Route, seal: Seal) -> Place:
    """Where the call goes. Raises Refused(`unknown_tool` or `unknown_item`) where nowhere."""
    arguments = call.arguments
    match call.method:
        case "tools/call":
            target, _ = _named(call, route, call.requested_name)
            return Place(target=target, arguments=arguments)
        case "prompts/get":
            target, name = _named(call, route, call.requested_name)
            return Place(target=target, arguments={**arguments, "name": name})
        case "resources/read" | "resources/subscribe" | "resources/unsubscribe":
            target, uri = _at_uri(call, route, call.requested_name)
            return Place(target=target, arguments={**arguments, "uri": uri})
        case "completion/complete":
            return _completed(call, route)
        case "tasks/get" | "tasks/update" | "tasks/cancel":
            return _task(call, route, seal)
        case _ if route.target is not None:  # a request of the target, or for one target as such
            return Place(target=route.target, arguments=arguments)
        case _:
            raise Refused("unknown_item", f"{call.method} needs the route of one target.")


def _named(call: Call, route: Route, name: str) -> tuple[str, str]:
    found = split_name(route.target, name)
    if found is None or found[0] not in route.targets:
        raise unknown(call)
    return found


def _at_uri(call: Call, route: Route, uri: str) -> tuple[str, str]:
    found = route.split_uri(uri)
    if found is None:
        raise unknown(call)
    return found


def _completed(call: Call, route: Route) -> Place:
    reference = call.arguments.get("ref")
    reference = reference if isinstance(reference, dict) else {}
    name, uri = reference.get("name"), reference.get("uri")
    if isinstance(name, str):
        target, own = _named(call, route, name)
        reference = {**reference, "name": own}
    elif isinstance(uri, str):
        target, own = _at_uri(call, route, uri)
        reference = {**reference, "uri": own}
    elif route.target is not None:
        target = route.target  # malformed; the schema will say how
    else:
        raise unknown(call)
    return Place(target=target, arguments={**call.arguments, "ref": reference})


def _task(call: Call, route: Route, seal: Seal) -> Place:
    assert call.principal is not None  # noqa: S101 - stage order
    opened = seal.open(call.requested_name, TASK, call.principal.key)
    if not isinstance(opened, list) or opened[0] not in route.names():
        raise unknown(call)
    return Place(target=opened[0], arguments={**call.arguments, "taskId": opened[1]})


def shown_task(seal: Seal, principal_key: str, target: str, task_id: str) -> str:
    """A task's id as its owner sees it: nobody else's requests can name the task."""
    return seal.close([target, task_id], TASK, principal_key)


def unknown(call: Call) -> Refused:
    """Nothing here has this name; whether it exists elsewhere is not said."""
    shown = repr(call.requested_name[:128])
    if call.method == "tools/call":
        return Refused("unknown_tool", f"There is no tool {shown}.", call=call)
    kind = {"uri": "resource", "name": "prompt", "taskId": "task"}
    item = METHODS[call.method].item or "uri"
    return Refused("unknown_item", f"There is no {kind.get(item, 'item')} {shown}.", call=call)
