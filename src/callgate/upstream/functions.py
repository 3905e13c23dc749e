"""Plain Python functions as a target: typed signatures become tools, no server needed."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_type_hints

import msgspec
from pydantic import (
    ConfigDict,
    Field,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError

from callgate.model import Json, Ran, Reply
from callgate.ports import Caller, Clock, Listing, TargetError, TargetStatus, ToolRequest
from callgate.settings import Settings
from callgate.upstream.faults import Faults

_log = logging.getLogger("callgate.upstream")
_encode = msgspec.json.Encoder().encode

MAX_THREADS = 16
ANNOTATIONS = "__callgate__"  # attribute of a function: the tool's MCP annotations


class ToolFault(Exception):  # noqa: N818 - the name that users raise
    """Raise it in a tool: its message is what the agent is told."""


class PythonTargetSettings(Settings):
    """A target made of Python functions."""

    python: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
    """The module; its public functions become tools (those in `__all__`, where it has that)."""

    path: Path = Path()
    """Where the module is looked for first. Relative to callgate.yaml."""

    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """How long one call may take, from the gateway's side."""


@dataclass(frozen=True, slots=True)
class _Function:
    """One function, as a tool."""

    definition: dict[str, Json]
    call: Callable[..., Any]
    arguments: TypeAdapter[Any]
    result: TypeAdapter[Any]
    is_async: bool
    is_structured: bool


class LoadError(Exception):
    """The module cannot be used; the message says why."""


class PythonConnector:
    """Implements Connector. Plain functions run in threads, async ones on the event loop."""

    def __init__(self, name: str, settings: PythonTargetSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._faults = Faults(name)
        self._functions: dict[str, _Function] | None = None
        self._fault = "not loaded yet"
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix=f"target-{name}")

    @property
    def status(self) -> TargetStatus:
        """How it stands, without touching it."""
        return TargetStatus(
            name=self.name,
            kind="python",
            is_ready=self._functions is not None,
            tools=len(self._functions or ()),
            detail=self._fault,
        )

    async def start(self) -> None:
        """Nothing runs in the background; the first listing loads the module."""

    async def close(self) -> None:
        """Calls that run in a thread go on to their end; nobody waits for them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def list_tools(self) -> Listing:
        """The functions. Raises TargetError where the module cannot be loaded."""
        return Listing(tools=tuple(f.definition for f in self._loaded().values()))

    def _loaded(self) -> dict[str, _Function]:
        if self._functions is None:
            try:
                self._functions = load_functions(self._settings.python, self._settings.path)
            except LoadError as error:
                self._fault = str(error)
                raise self._faults.unavailable(str(error)) from None
            self._fault = ""
        return self._functions

    async def call_tool(self, request: ToolRequest, caller: Caller) -> Reply:
        """Calls once. A thread that takes too long cannot be stopped, only no longer waited for."""
        function = self._loaded().get(request.tool)
        if function is None:
            raise self._faults.unavailable(f"there is no function {request.tool}")
        try:
            async with asyncio.timeout(request.timeout_seconds):
                return await self._run(function, request)
        except TimeoutError:
            raise self._faults.timeout(request.timeout_seconds, is_sent=True) from None

    async def _run(self, function: _Function, request: ToolRequest) -> Reply:
        try:
            arguments = dict(function.arguments.validate_json(request.arguments))
        except ValidationError as error:
            return _failure(_what_is_wrong(error))
        try:
            if function.is_async:
                value = await function.call(**arguments)
            else:
                loop = asyncio.get_running_loop()
                value = await loop.run_in_executor(
                    self._threads, lambda: function.call(**arguments)
                )
        except ToolFault as fault:
            return _failure(str(fault))
        except Exception:  # noqa: BLE001 - whatever a user's function raises
            # The agent learns that it failed, not how: a traceback may hold secrets.
            _log.exception(
                "tool %s of target %s failed in call %s", request.tool, self.name, request.call_id
            )
            return _failure(f"The tool {request.tool} failed inside.")
        return self._reply(function, request, value)

    def _reply(self, function: _Function, request: ToolRequest, value: Any) -> Reply:
        try:
            body = function.result.dump_json(value)
        except (PydanticSerializationError, ValueError) as error:
            detail = f"{request.tool} returned what is not JSON: {error}"
            raise TargetError(
                "target_protocol_error",
                f"The target {self.name} returned what cannot be sent; the tool ran.",
                ran=Ran.YES,
                detail=detail[:300],
            ) from None
        text = value if isinstance(value, str) else body.decode()
        result: dict[str, Json] = {"content": [{"type": "text", "text": text}]}
        if function.is_structured:
            result["structuredContent"] = msgspec.Raw(body)
        return Reply(body=_encode(result))


def _failure(text: str) -> Reply:
    return Reply(body=_encode({"content": [{"type": "text", "text": text}], "isError": True}))


def _what_is_wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = "/".join(map(str, first["loc"]))
    return f"The argument /{where} is not right: {first['msg']}."


def load_functions(module_name: str, directory: Path) -> dict[str, _Function]:
    """The tools in a module, by name. Raises LoadError."""
    place = str(directory.resolve())
    if place not in sys.path:
        sys.path.insert(0, place)
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
    except Exception as error:
        raise LoadError(
            f"the module {module_name} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    found = {}
    for name in _public_names(module):
        function = getattr(module, name, None)
        if not inspect.isfunction(function):
            continue
        try:
            found[name] = _as_tool(name, function)
        except (PydanticUserError, NameError, TypeError, ValueError) as error:
            raise LoadError(f"{module_name}.{name} cannot become a tool: {error}") from error
    if not found:
        raise LoadError(f"the module {module_name} has no public functions")
    return found


def _public_names(module: ModuleType) -> list[str]:
    chosen = getattr(module, "__all__", None)
    if chosen is not None:
        return [str(name) for name in chosen]
    return [
        name
        for name, member in vars(module).items()
        if not name.startswith("_")
        and inspect.isfunction(member)
        and member.__module__ == module.__name__
    ]


def _as_tool(name: str, function: Callable[..., Any]) -> _Function:
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"the parameter {parameter.name} cannot be passed by name")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints.get(parameter.name, Any), default)
    model = create_model(name, __config__=ConfigDict(extra="forbid", strict=False), **fields)
    arguments: TypeAdapter[Any] = TypeAdapter(model)
    result: TypeAdapter[Any] = TypeAdapter(hints.get("return", Any))
    definition: dict[str, Json] = {"name": name, "inputSchema": _schema(arguments, "validation")}
    description = inspect.getdoc(function)
    if description:
        definition["description"] = description.split("\n\n")[0].replace("\n", " ")
    output = _schema(result, "serialization")
    is_structured = output.get("type") == "object"
    if is_structured:
        definition["outputSchema"] = output
    annotations = getattr(function, ANNOTATIONS, None)
    if annotations:
        definition["annotations"] = dict(annotations)
    return _Function(
        definition=definition,
        call=function,
        arguments=arguments,
        result=result,
        is_async=inspect.iscoroutinefunction(function),
        is_structured=is_structured,
    )


def _schema(adapter: TypeAdapter[Any], mode: Any) -> dict[str, Json]:
    schema = adapter.json_schema(mode=mode)
    schema.pop("title", None)
    return schema
