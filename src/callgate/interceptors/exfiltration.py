"""The built-in against exfiltration: what came back in a run does not leave in arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, Self, TypeVar

from pydantic import Field as Setting
from pydantic import field_validator, model_validator

from callgate.interceptors.fields import Field, read_path
from callgate.interceptors.tainting.fingerprints import Kept, Prints
from callgate.interceptors.tainting.leaves import Leaf, declared_keys, leaves
from callgate.interceptors.tainting.memory import FullError, Memory, Run
from callgate.interceptors.tainting.weighing import Leak, Scale, fingerprints
from callgate.model import Json, Tool
from callgate.pipeline.threads import Job, Threads
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Decision, Interceptor, Message, Passive, Request, Result, View
from callgate.settings import Settings

EVERYTHING = "*"
MAX_THREADS = 4  # busy at once; more wait
MAX_IN_PLACE = 1_000  # characters that are looked at on the event loop; more of them in a thread
MAX_SCHEMAS = 2_000
MEGABYTE = 1 << 20
T = TypeVar("T")


class SinkSettings(Settings):
    """Where data leaves: tools, and which of their arguments."""

    tools: tuple[str, ...] = Setting(min_length=1)
    """Targets, tools as `<target>___<tool>`, or `"*"` for every one."""

    fields: tuple[Field, ...] = ()
    """JSON paths of the arguments that leave, such as `$.body`; all of them, and the caller's
    `_meta`, where left out."""


class ExfiltrationSettings(Settings):
    """Which results are remembered, where they may not go, and how much of them may."""

    labels: frozenset[str] = frozenset()
    """Results with one of these labels, given by interceptors before this one, are remembered."""

    sources: frozenset[str] = frozenset()
    """All results of these targets, of these tools (`<target>___<tool>`), or of all (`"*"`) are
    remembered."""

    sinks: tuple[SinkSettings, ...] = Setting(min_length=1)
    """Where data leaves. A tool is looked at by the first entry that names it."""

    across_targets: bool = False
    """Only what came from another target counts: a target may be told what it said itself."""

    max_bytes: int = Setting(default=64, ge=0)
    """How many letters and digits of what is remembered one call may carry."""

    max_run_bytes: int = Setting(default=256, ge=0)
    """How many all calls of a run may carry together."""

    max_keys: int = Setting(default=0, ge=0)
    """How many keys of systems (16 and more letters and digits, well mixed; no digests) out of what
    is remembered one call may carry, whatever their length."""

    max_overlap: float = Setting(default=0.5, ge=0, le=1)
    """The largest share of a text of at least 32 letters that may be remembered ones."""

    max_opaque_bytes: int | None = Setting(default=1024, ge=0)
    """How many bytes of encoded data that cannot be read a run may send, once something is
    remembered; null: any number."""

    max_characters: int = Setting(default=262_144, ge=1)
    """Once something is remembered, a call that carries more text than this is not looked into:
    `action` applies to it."""

    allow_domains: frozenset[str] | None = None
    """Once something is remembered, URLs that can carry data (a query, a fragment, long parts, in
    an image or another embedding) may name only these domains and those below; null: any."""

    action: Literal["refuse", "label", "approve"] = "refuse"
    """What is done about a call that carries too much."""

    label: str = Setting(default="exfiltration", min_length=1, max_length=64)
    """The label that `action: label` gives."""

    per: Literal["run", "principal"] = "run"
    """What is remembered together: a run (the MCP session, else the trace id that the agent sends;
    without either, the principal), or all runs of a principal and agent."""

    idle_seconds: float = Setting(default=14_400, gt=0)
    """A run in which nothing comes or goes for so long is forgotten."""

    max_run_megabytes: float = Setting(default=8, gt=0, le=1024)
    """How much memory one run may take: eight bytes for each letter that came back."""

    max_megabytes: float = Setting(default=128, gt=0, le=65_536)
    """How much memory all runs may take."""

    when_full: Literal["refuse", "forget"] = "refuse"
    """Where the memory is full: keep back results that should be remembered, or forget those of
    the runs that were idle longest."""

    @field_validator("allow_domains")
    @classmethod
    def _lower(cls, domains: frozenset[str] | None) -> frozenset[str] | None:
        return domains and frozenset(one.lower().strip(".") for one in domains)

    @model_validator(mode="after")
    def _remembers(self) -> Self:
        if not self.labels and not self.sources:
            raise ValueError("name `labels` or `sources`, else no result is remembered")
        return self


class Exfiltration(Passive):
    """Remembers fingerprints of results, and weighs what goes out against them.

    State: fingerprints per run, within the bounds of the settings, in this process only. A reload
    keeps them.
    """

    def __init__(
        self,
        settings: ExfiltrationSettings,
        ticks: Callable[[], float],
        before: Interceptor | None = None,
    ) -> None:
        """What the one `before` it remembers is remembered still."""
        self._settings = settings
        known = before if isinstance(before, Exfiltration) else None
        self._prints: Prints = known._prints if known is not None else Prints()
        self.memory: Memory = Memory(
            ticks,
            most_bytes=int(settings.max_megabytes * MEGABYTE),
            most_run_bytes=int(settings.max_run_megabytes * MEGABYTE),
            idle_seconds=settings.idle_seconds,
            may_forget=settings.when_full == "forget",
            like=known.memory if known is not None else None,
        )
        self._paths = tuple(tuple(map(read_path, sink.fields)) for sink in settings.sinks)
        self._keys: dict[str, frozenset[str]] = {}
        self._threads = Threads(MAX_THREADS, "callgate-exfiltration")

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor. What a target asks of the client came from that target."""
        if METHODS[request.tool.method].is_asked_by_target:
            problem = await self._remember(request, request.arguments, {})
            return Decision(refuse=problem) if problem else None
        found = await self._weighed(request, lambda: self._outgoing(request))
        if found is None:
            return None
        sentence, note = found
        match self._settings.action:
            case "label":
                return Decision(labels=(self._settings.label,), note=note)
            case "approve":
                return Decision(approve=sentence, note=note)
        return Decision(refuse=sentence, note=note)

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor. What the client answers a target goes out to it."""
        if not METHODS[result.tool.method].is_asked_by_target:
            problem = await self._remember(result, result.result, result.arguments)
            return Decision(withhold=problem) if problem else None
        found = await self._weighed(result, lambda: self._answered(result))
        if found is None:
            return None
        sentence, note = found
        if self._settings.action == "label":
            return Decision(labels=(self._settings.label,), note=note)
        return Decision(withhold=sentence, note=note)

    async def on_message(self, message: Message) -> Decision | None:
        """See scrutiny.Interceptor."""
        problem = await self._remember(message, message.params, {})
        return Decision(withhold=problem) if problem else None

    async def _remember(
        self, view: View, value: dict[str, Json], known: dict[str, Json]
    ) -> str | None:
        """Keeps what came back, apart from what the agent itself had put in. Says what fails."""
        settings = self._settings
        if settings.labels.isdisjoint(view.labels) and not _names(settings.sources, view.tool):
            return None
        key, source = self._key(view), view.tool.qualified_name
        before = self.memory.kept(key, source)
        after = await self._worked((value, known), lambda: self._more(before, value, known))
        if after is before:
            return None
        try:
            self.memory.keep(key, source, before, after)
        except FullError as full:
            if settings.when_full == "forget":
                return None
            return f"What came back must be remembered, and cannot be: {full}."
        return None

    def _more(self, kept: Kept, value: Json, known: Json) -> Kept:
        given: set[int] = set()
        for numbers in fingerprints(self._prints, (text for _, text in leaves(known))):
            given.update(numbers)
        found = fingerprints(self._prints, (text for _, text in leaves(value)))
        return kept.plus_all(found, but=given)

    async def _weighed(
        self, view: View, outgoing: Callable[[], Iterator[Leaf]]
    ) -> tuple[str, str] | None:
        """Why the value goes too far, for people and for the record; None where it does not."""
        if self._sink(view.tool) is None:
            return None
        run = self.memory.find(self._key(view))
        if run is None:
            return None
        settings = self._settings
        scale = Scale(
            self._prints,
            run,
            except_target=view.tool.target if settings.across_targets else "",
            domains=settings.allow_domains,
        )
        shown = (view.arguments, view.result) if isinstance(view, Result) else _all_of(view)
        if not is_small(shown, settings.max_characters):
            most = f"{settings.max_characters} characters"
            return f"This call carries more than {most}, too much to be looked into.", "too long"
        leak = await self._worked(shown, lambda: scale.weigh(outgoing()))
        # From here on nothing waits: two calls at once cannot both take what is left.
        problem = self._problem(leak, run)
        note = _note(leak)
        if problem is None or settings.action == "label":
            run.sent_bytes += leak.sent_bytes
            run.opaque_bytes += leak.opaque_bytes
        for field, letters in leak.tails.items():  # of what is refused, too: it may come again
            run.keep_tail(field, letters)
        return None if problem is None else (problem, note)

    def _problem(self, leak: Leak, run: Run) -> str | None:
        settings = self._settings
        whose = " and ".join(leak.sources[:3])
        fields = [field.partition(":")[2][:60] for field in leak.fields]
        where = f" in {', '.join(fields[:5])}" if any(fields) else ""
        advice = "Leave that out, or ask a person to send it."
        if leak.sent_bytes > settings.max_bytes:
            many = f"{leak.sent_bytes} letters and digits of what {whose} returned"
            return f"This call would send {many}{where}; {settings.max_bytes} may go. {advice}"
        if leak.keys > settings.max_keys:
            return f"This call would send a key that {whose} returned{where}. {advice}"
        if leak.sent_bytes + run.sent_bytes > settings.max_run_bytes:
            most = f"{settings.max_run_bytes} letters and digits"
            return (
                f"More than {most} of what {whose} returned would have left in this run. {advice}"
            )
        if leak.overlap > settings.max_overlap:
            return f"{leak.overlap:.0%} of a text{where} is what {whose} returned. {advice}"
        if leak.hosts:
            said = ", ".join(leak.hosts[:3])
            return f"A URL that can carry data leads to {said}, which is not allowed. {advice}"
        most_opaque = settings.max_opaque_bytes
        opaque = leak.opaque_bytes and leak.opaque_bytes + run.opaque_bytes
        if most_opaque is not None and opaque > most_opaque:
            return f"More than {most_opaque} bytes of encoded data would have left. {advice}"
        return None

    async def _worked(self, shown: Json, work: Callable[[], T]) -> T:
        """What the work gives; done in a thread where there is much to look at."""
        if is_small(shown, MAX_IN_PLACE):
            return work()
        return await self._threads.run(Job(work))

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        self._threads.close()

    def _sink(self, tool: Tool) -> int | None:
        """Which entry of `sinks` names the tool."""
        for index, sink in enumerate(self._settings.sinks):
            if _names(sink.tools, tool):
                return index
        return None

    def _outgoing(self, request: Request) -> Iterator[Leaf]:
        """What leaves with a call, under the fields that its tool declares."""
        index, tool = self._sink(request.tool), request.tool.qualified_name
        paths = self._paths[index] if index is not None else ()
        if not paths:
            known = self._declared(request.tool)
            for field, text in leaves(request.arguments, known):
                yield f"{tool}:{field}", text
            for field, text in leaves(dict(request.meta), frozenset(request.meta)):
                yield f"{tool}:_meta{field}", text
        for path in paths:
            for _, value in path.find(request.arguments):
                for _, text in leaves(value, self._declared(request.tool)):
                    yield f"{tool}:{path.text}", text

    def _answered(self, result: Result) -> Iterator[Leaf]:
        known = frozenset({"action", "content", "role", "model", "stopReason", "type", "text"})
        for field, text in leaves(result.result, known):
            yield f"{result.tool.qualified_name}:{field}", text

    def _declared(self, tool: Tool) -> frozenset[str]:
        known = self._keys.get(tool.digest)
        if known is None:
            if len(self._keys) >= MAX_SCHEMAS:
                self._keys.clear()
            known = self._keys[tool.digest] = declared_keys(tool.input_schema)
        return known

    def _key(self, view: View) -> str:
        """Runs of different principals are never one, whatever trace id an agent sends."""
        run = view.run if self._settings.per == "run" else ""
        return f"{view.principal.key}\x1e{run}"


def _all_of(view: View) -> tuple[Any, ...]:
    return (view.arguments, dict(view.meta)) if isinstance(view, Request) else ()


def _names(named: Iterable[str], tool: Tool) -> bool:
    return any(one in (EVERYTHING, tool.target, tool.qualified_name) for one in named)


def is_small(value: Any, most: int) -> bool:
    """Whether a value holds at most so many characters, found without looking at all of it."""
    left = [value]
    while left and most >= 0:
        node = left.pop()
        most -= 4
        if isinstance(node, str):
            most -= len(node)
        elif isinstance(node, dict):
            left.extend(node.values())
            most -= sum(map(len, node)) if len(node) < most else most
        elif isinstance(node, (list, tuple)):
            left.extend(node if len(node) <= most else ["x" * (most + 1)])
    return most >= 0


def _note(leak: Leak) -> str:
    parts = [f"{leak.sent_bytes} bytes of {', '.join(leak.sources[:3])}"] if leak.sent_bytes else []
    parts += [f"{leak.keys} keys"] if leak.keys else []
    parts += [f"{leak.overlap:.0%} of a text"] if leak.overlap else []
    parts += [f"{leak.opaque_bytes} opaque bytes"] if leak.opaque_bytes else []
    parts += [f"URLs to {', '.join(leak.hosts[:3])}"] if leak.hosts else []
    return "; ".join(parts)
