"""What is said to a client is numbered and kept within bounds, and only its reader is waited for."""

import asyncio
from typing import Any

import pytest

from callgate.downstream import streams as module
from callgate.downstream.streams import Kept, Stream, Streams, on_one_line
from fakes.clock import FakeClock


def rest(stream: Stream, after: int) -> list[bytes]:
    """What a connection that reads on after this message would get."""
    found = []
    while (following := stream.next_after(after)) is not None:
        after, body = following
        found.append(body)
    return found


def test_messages_are_numbered_and_read_from_any_of_them_on() -> None:
    stream = Stream("1")

    assert [stream.put(body) for body in (b"a", b"b", b"c")] == [1, 2, 3]
    assert [rest(stream, after) for after in range(4)] == [
        [b"a", b"b", b"c"],
        [b"b", b"c"],
        [b"c"],
        [],
    ]


def test_the_oldest_messages_make_room_by_number_and_by_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_EVENTS", 3)
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    stream = Stream("1")

    for body in (b"a", b"b", b"c", b"d"):
        stream.put(body)
    assert rest(stream, 0) == [b"b", b"c", b"d"]
    stream.put(b"123456789")
    assert rest(stream, 0) == [b"d", b"123456789"]
    stream.put(b"an answer is kept whatever its size")
    assert rest(stream, 0) == [b"an answer is kept whatever its size"]
    assert stream.size_bytes == 35


def test_what_a_reader_has_not_taken_yet_stays() -> None:
    async def run() -> list[bytes]:
        stream = Stream("1")
        stream.attach(0)
        for number in range(module.MOST_EVENTS + 5):
            stream.put(b"%d" % number)
        return rest(stream, 0)

    assert len(asyncio.run(run())) == module.MOST_EVENTS + 5


def test_a_sessions_own_stream_stays_within_its_bounds_however_slow_its_reader() -> None:
    async def run() -> list[bytes]:
        stream = Stream("0", is_standing=True)
        stream.attach(0)
        for number in range(1000):
            stream.put(b"%d" % number)
        return rest(stream, 0)

    kept = asyncio.run(run())

    assert (len(kept), kept[-1]) == (module.MOST_STANDING_EVENTS, b"999")


def test_whoever_says_much_waits_for_the_reader_and_for_nobody_else() -> None:
    async def run() -> list[bool]:
        stream, done = Stream("1"), []
        for _ in range(module.MOST_UNTAKEN + 2):
            await stream.say(b"nobody reads")
        reading = stream.attach(stream.last)
        for _ in range(module.MOST_UNTAKEN):
            await asyncio.wait_for(stream.say(b"not too much"), 30)
        saying = asyncio.get_running_loop().create_task(stream.say(b"too much"))
        await asyncio.sleep(0)
        done.append(saying.done())
        reading.took(reading.taken + 1)
        await asyncio.wait_for(saying, 30)
        left = asyncio.get_running_loop().create_task(stream.say(b"left"))
        await asyncio.sleep(0)
        done.append(left.done())
        reading.close()
        await asyncio.wait_for(left, 30)
        return done

    assert asyncio.run(run()) == [False, False]


def test_a_second_reader_replaces_the_first() -> None:
    async def run() -> Any:
        stream = Stream("1")
        first = stream.attach(0)
        second = stream.attach(0)
        first.close()
        return first.is_closed, second.is_closed, stream.reading is second

    assert asyncio.run(run()) == (True, False, True)


def test_nothing_is_said_after_the_end() -> None:
    stream = Stream("1")
    stream.put(b"last")
    stream.end()

    assert stream.put(b"late") == 1
    assert rest(stream, 0) == [b"last"]


def test_a_stream_that_cannot_be_resumed_keeps_nothing_that_was_taken() -> None:
    async def run() -> int:
        stream = Stream(keeps=False)
        reading = stream.attach(0)
        for _ in range(5):
            reading.took(stream.put(b"x" * 100))
        return stream.size_bytes

    assert asyncio.run(run()) == 0


def test_waiting_for_a_reader_ends_when_one_comes() -> None:
    async def run() -> bool:
        stream = Stream("0")
        waiting = asyncio.get_running_loop().create_task(stream.wait_for_reader())
        await asyncio.sleep(0)
        is_early = waiting.done()
        stream.attach(0)
        await asyncio.wait_for(waiting, 30)
        await asyncio.wait_for(stream.wait_for_reader(), 30)
        return is_early

    assert asyncio.run(run()) is False


@pytest.mark.parametrize(
    ("event_id", "is_found"),
    [
        ("0-0", True), ("1-0", True), ("1-1", True), ("1-2", False), ("2-0", False), ("1", False),
        ("1-", False), ("-1", False), ("1-1-1", False), ("", False), ("1-1 ", False),
        ("1-" + "9" * 40, False), ("٣-٣", False),
    ],
)  # fmt: skip
def test_an_event_id_names_one_message_of_one_stream(event_id: str, is_found: bool) -> None:
    streams = Streams()
    streams.open().put(b"a")

    assert (streams.find(event_id) is not None) is is_found


def test_what_has_ended_is_kept_for_a_while() -> None:
    clock = FakeClock()
    kept = Kept(clock)
    streams = Streams(kept)
    stream = streams.open()
    stream.put(b"answer")
    stream.end()
    streams.ended(stream)
    found = []

    for seconds in (0, module.KEPT_SECONDS - 1, 1):
        clock.advance(seconds)
        kept.sweep()
        found.append(streams.find("1-0") is not None)

    assert found == [True, True, False]
    assert stream.size_bytes == 0


def test_so_many_ended_streams_of_one_session_are_kept() -> None:
    streams = Streams(Kept(FakeClock()))
    for _ in range(module.MOST_ENDED + 2):
        stream = streams.open()
        stream.end()
        streams.ended(stream)

    found = [streams.find(f"{n}-0") is not None for n in range(1, module.MOST_ENDED + 3)]
    assert found == [False] * 2 + [True] * module.MOST_ENDED


def test_all_that_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 250 + 2 * module.STREAM_BYTES)
    kept = Kept(FakeClock())
    sessions = [Streams(kept) for _ in range(3)]
    for streams in sessions:
        stream = streams.open()
        stream.put(b"x" * 100)
        stream.end()
        streams.ended(stream)

    assert [streams.find("1-0") is not None for streams in sessions] == [False, True, True]
    assert len(kept) == 2


def test_also_empty_streams_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 10 * module.STREAM_BYTES)
    kept = Kept(FakeClock())
    for _ in range(100):
        streams = Streams(kept)
        stream = streams.open()
        stream.end()
        streams.ended(stream)

    assert len(kept) == 10


def test_without_a_place_to_keep_them_ended_streams_are_forgotten() -> None:
    streams = Streams()
    stream = streams.open()
    stream.end()
    streams.ended(stream)

    assert streams.find("1-0") is None


def test_closing_ends_every_stream_and_gives_the_memory_back() -> None:
    streams = Streams(Kept(FakeClock()))
    stream = streams.open()
    stream.put(b"x")
    streams.standing.put(b"y")
    streams.close()

    assert (stream.is_ended, streams.standing.is_ended) == (True, True)
    assert (stream.size_bytes, streams.standing.size_bytes) == (0, 0)
    streams.ended(stream)
    assert streams.find("1-0") is None


def test_json_of_several_lines_becomes_one_line() -> None:
    assert on_one_line(b'{\r\n "a": "b\\n"\n}') == b'{   "a": "b\\n" }'
    assert on_one_line(b"{}") == b"{}"
