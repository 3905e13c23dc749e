"""Plain Python functions as a target: typed signatures become tools, no server needed."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_type_hints

import msgspec
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PydanticUserError,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticSerializationError

from callgate.audit.keeping import not_to_repeat
from callgate.audit.masks import Masks
from callgate.model import CALL_TOOL, NOTHING, Features, Json, Offer, Ran, Reply
from callgate.pipeline.threads import Job, Threads
from callgate.ports import Caller, Clock, Listing, TargetError, TargetRequest, TargetStatus
from callgate.protocol.jsonrpc import METHOD_NOT_FOUND, encode
from callgate.settings import Settings
from callgate.upstream.faults import Faults, within
from callgate.upstream.tasks import Closed

MAX_THREADS = 16
ANNOTATIONS = "__callgate__"  # attribute of a function: the tool's MCP annotations

_log = logging.getLogger("callgate.upstream")


class ToolFault(Exception):  # noqa: N818 - the name that users raise
    """Raise it in a tool: its message is what the agent is told."""


class LoadError(Exception):
    """The module cannot be used; the message says why."""


class PythonTargetSettings(Settings):
    """A target made of Python functions."""

    python: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]
    """The module; its public functions become tools (those in `__all__`, where it has that)."""

    path: Path = Path()
    """Where the module is looked for first. Relative to callgate.yaml."""

    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """How long one call may take, from the gateway's side."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function, as a tool."""

    definition: dict[str, Json]
    call: Callable[..., Any]
    arguments: type[BaseModel]
    names: Mapping[str, str]  # field of `arguments` → parameter
    result: TypeAdapter[Any]
    is_async: bool

    def read(self, arguments: bytes) -> dict[str, Any]:
        """The typed values of what the caller gave. Raises ValidationError."""
        given = self.arguments.model_validate_json(arguments)
        return {self.names[field]: getattr(given, field) for field in given.model_fields_set}


class _Run:
    """What is known about one call when it fails."""

    def __init__(self) -> None:
        self.job: Job[Any] | None = None
        self.has_begun = False

    @property
    def is_sent(self) -> bool:
        return self.has_begun or (self.job is not None and self.job.has_begun)


class PythonConnector:
    """Implements Connector. Plain functions run in threads, async ones on the event loop."""

    def __init__(self, name: str, settings: PythonTargetSettings, clock: Clock) -> None:
        self.name = name
        self._settings = settings
        self._faults = Faults(name)
        self._functions: dict[str, Function] | None = None
        self._fault = "not loaded yet"
        self._loading = asyncio.Lock()
        self._threads = Threads(MAX_THREADS, f"target-{name}")

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
        self._threads.close()

    async def features(self, offer: Offer = NOTHING) -> Features:
        """Tools, and nothing else."""
        return Features(capabilities={"tools": {}})

    def on_change(self, callback: Callable[[str], None]) -> Callable[[], None]:
        """The functions never change."""
        return lambda: None

    async def release(self, session_key: str) -> None:
        """Nothing is kept for sessions."""

    async def roots_changed(self, session_key: str) -> None:
        """Functions know of no roots."""

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        """The functions. Raises TargetError where the module cannot be loaded."""
        functions = await self._loaded()
        return Listing(tools=tuple(function.definition for function in functions.values()))

    async def _loaded(self) -> dict[str, Function]:
        """The functions; loaded off the event loop, because a module may do anything."""
        if self._functions is None:
            async with self._loading:
                if self._functions is None:
                    try:
                        self._functions = await asyncio.to_thread(
                            load_functions, self._settings.python, self._settings.path
                        )
                    except LoadError as error:
                        self._fault = str(error)
                        raise self._faults.unavailable(str(error)) from None
                    self._fault = ""
        return self._functions

    async def call(self, request: TargetRequest, caller: Caller) -> Reply:
        """Calls once. A thread that takes too long cannot be stopped, only no longer waited for."""
        if request.tool.method != CALL_TOOL:
            error = {"code": METHOD_NOT_FOUND, "message": "Functions can only be called."}
            return Reply(body=encode(error), is_error=True)
        run = _Run()
        return await within(request.timeout_seconds, self._faults, run, self._call(request, run))

    async def _call(self, request: TargetRequest, run: _Run) -> Reply:
        function = (await self._loaded()).get(request.tool.name)
        if function is None:
            raise self._faults.unavailable(f"there is no function {request.tool.name}")
        try:
            arguments = function.read(request.arguments)
        except ValidationError as error:
            return _failure(_what_is_wrong(error))
        try:
            value = await self._value(function, arguments, run)
        except ToolFault as fault:
            return _failure(str(fault))
        except Closed:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a function raises
            # The agent learns that it failed, not how: a traceback may hold secrets.
            _log.error(
                "tool %s of target %s failed in call %s",
                request.tool.name,
                self.name,
                request.call_id,
                extra={"exception": _trace(error, request.arguments)},
            )
            return _failure(f"internal error in {request.tool.name}")
        return self._reply(function, request, value)

    async def _value(self, function: Function, arguments: dict[str, Any], run: _Run) -> Any:
        if function.is_async:
            run.has_begun = True
            return await function.call(**arguments)
        run.job = Job(lambda: function.call(**arguments))
        return await self._threads.run(run.job)

    def _reply(self, function: Function, request: TargetRequest, value: Any) -> Reply:
        try:
            body = function.result.dump_json(value)
        except (PydanticSerializationError, ValueError) as error:
            detail = f"{request.tool.name} returned what is not JSON: {error}"
            raise TargetError(
                "target_protocol_error",
                f"The target {self.name} returned what cannot be sent; the tool ran.",
                ran=Ran.YES,
                detail=detail[:300],
            ) from None
        text = value if isinstance(value, str) else body.decode()
        result: dict[str, Json] = {"content": [{"type": "text", "text": text}]}
        if body[:1] == b"{":
            result["structuredContent"] = msgspec.Raw(body)
        return Reply(body=encode(result))


def _trace(error: BaseException, arguments: bytes) -> str:
    """The traceback without what the arguments hold, as they may be masked in the record."""
    given = list(Masks(paths=(("*",),)).texts(msgspec.json.decode(arguments)))
    secrets = not_to_repeat([*given, *(repr(text)[1:-1] for text in given)])
    return secrets.without("".join(traceback.format_exception(error)))


def _failure(text: str) -> Reply:
    return Reply(body=encode({"content": [{"type": "text", "text": text}], "isError": True}))


def _what_is_wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = "/".join(map(str, first["loc"]))
    return f"The argument /{where} is not right: {first['msg']}."


def load_functions(module_name: str, directory: Path) -> dict[str, Function]:
    """The tools in a module, by name. Raises LoadError."""
    _look_first_in(directory.resolve(), module_name)
    try:
        importlib.invalidate_caches()
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        raise LoadError(
            f"the module {module_name} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    found = {}
    for name in _public_names(module):
        function = getattr(module, name, None)
        if not inspect.isfunction(function):
            continue
        try:
            found[name] = as_tool(name, function)
        except (PydanticUserError, NameError, TypeError, ValueError) as error:
            raise LoadError(f"{module_name}.{name} cannot become a tool: {error}") from error
    if not found:
        raise LoadError(f"the module {module_name} has no public functions")
    return found


def _look_first_in(directory: Path, module_name: str) -> None:
    """Has a module in the directory found, though one of its name was loaded from elsewhere."""
    place = str(directory)
    if sys.path[0] != place:
        sys.path[:] = [place, *(path for path in sys.path if path != place)]
    file = directory.joinpath(*module_name.split(".")).with_suffix(".py")
    known = sys.modules.get(module_name)
    if known is not None and file.exists() and getattr(known, "__file__", None) != str(file):
        del sys.modules[module_name]


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


def as_tool(name: str, function: Callable[..., Any]) -> Function:
    """The function as a tool. Raises what pydantic raises, NameError, TypeError, ValueError."""
    hints = get_type_hints(function, include_extras=True)
    arguments, names = _arguments(name, function, hints)
    result: TypeAdapter[Any] = TypeAdapter(hints.get("return", Any))
    definition: dict[str, Json] = {
        "name": name,
        "inputSchema": _untitled(arguments.model_json_schema()),
    }
    description = inspect.getdoc(function)
    if description:
        definition["description"] = description.split("\n\n")[0].replace("\n", " ")
    output = _untitled(result.json_schema(mode="serialization"))
    if output.get("type") == "object":
        definition["outputSchema"] = output
    annotations = getattr(function, ANNOTATIONS, None)
    if annotations:
        definition["annotations"] = dict(annotations)
    return Function(
        definition=definition,
        call=function,
        arguments=arguments,
        names=names,
        result=result,
        is_async=inspect.iscoroutinefunction(function),
    )


def _arguments(
    name: str, function: Callable[..., Any], hints: dict[str, Any]
) -> tuple[type[BaseModel], dict[str, str]]:
    """A model of the parameters. Its fields have names of their own: a parameter may be called
    anything, also what a model has a method of."""
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for number, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"the parameter {parameter.name} cannot be passed by name")
        hint: Any = Annotated[hints.get(parameter.name, Any), Field(alias=parameter.name)]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"a{number}"] = (hint, default)
        names[f"a{number}"] = parameter.name
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields), names


def _untitled(schema: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in schema.items() if key != "title"}
