from __future__ import annotations

import asyncio
import json

import pytest
from google.protobuf.json_format import Parse  # type: ignore[import-untyped]  # has no stubs
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import Wanted, batches
from callgate.exports.export import DestinationError
from callgate.exports.otlp import OtlpDestination, log_record
from callgate.exports.posting import Poster
from fakes.exported import ORIGIN, a_recorded_call, every_ending
from fakes.exporting import FakeSource
from fakes.http_target import HttpTarget, Seen, Talk


async def send(target: HttpTarget) -> None:
    poster = Poster(target.url, {}, 10.0)
    destination = OtlpDestination(poster, ORIGIN, {"service.name": "callgate"}, with_contents=False)
    (batch,) = batches(FakeSource(3), Wanted(form="calls", origin=ORIGIN), ExportCursor())
    try:
        await destination.send(batch)
    finally:
        await destination.close()


@pytest.mark.parametrize("name", every_ending())
def test_every_call_is_a_log_record_of_the_protocol(name: str) -> None:
    record = log_record(every_ending()[name], ORIGIN, with_contents=True)
    # Ids are hex in OTLP's JSON, where protobuf's own JSON would have base64.
    bare = {key: value for key, value in record.items() if key not in ("traceId", "spanId")}
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [bare]}]}]}
    parsed = Parse(json.dumps(body), ExportLogsServiceRequest())
    (log,) = parsed.resource_logs[0].scope_logs[0].log_records
    assert log.time_unix_nano == 1_795_987_123_633_304_000
    assert log.body.string_value.endswith(name.partition(",")[0])


def test_contents_are_there_only_where_they_are_wanted() -> None:
    def keys(with_contents: bool) -> set[str]:
        record = log_record(a_recorded_call(), ORIGIN, with_contents=with_contents)
        return {attribute["key"] for attribute in record["attributes"]}

    contents = {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
    assert keys(with_contents=True) - keys(with_contents=False) == contents


def test_a_record_belongs_to_its_trace() -> None:
    record = log_record(a_recorded_call(), ORIGIN, with_contents=False)
    assert record["traceId"] == "0af7651916cd43dd8448eb211c80319c"
    assert (record["spanId"], record["flags"]) == ("b7ad6b7169203331", 1)


def test_a_collector_that_takes_them_is_sent_one_request() -> None:
    async def takes(_seen: Seen, talk: Talk) -> None:
        await talk.json({})

    async def scenario() -> None:
        async with HttpTarget(takes) as target:
            await send(target)
            (seen,) = target.seen
            (resource,) = seen.message["resourceLogs"]
            assert resource["resource"]["attributes"] == [
                {"key": "service.name", "value": {"stringValue": "callgate"}}
            ]
            assert len(resource["scopeLogs"][0]["logRecords"]) == 3

    asyncio.run(scenario())


def test_a_collector_that_takes_only_some_is_not_believed_to_have_all() -> None:
    async def takes_two(_seen: Seen, talk: Talk) -> None:
        await talk.json({"partialSuccess": {"rejectedLogRecords": "1", "errorMessage": "no"}})

    async def scenario() -> None:
        async with HttpTarget(takes_two) as target:
            with pytest.raises(DestinationError, match="turned down 1 records"):
                await send(target)

    asyncio.run(scenario())
