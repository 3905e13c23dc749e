"""The tools that the conformance suite calls by name, as its scenarios describe them."""

import asyncio
import json

from fakes.conformance_server.content import AUDIO, IMAGE
from fakes.conformance_server.exchange import (
    INTERNAL_ERROR,
    Exchange,
    Json,
    RpcError,
    elicit,
    failed,
    list_roots,
    sample,
    text,
    text_of,
)
from fakes.conformance_server.tool import Run, Tool

PAUSE_SECONDS = 0.05
NAME_FORM = ({"name": {"type": "string"}}, ("name",))
DRAFT_2020_12: Json = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def _always(*content: Json) -> Run:
    async def run(exchange: Exchange, arguments: Json) -> Json:
        return {"content": list(content)}

    return run


def _embedded(uri: str, mime_type: str, said: str) -> Json:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": mime_type, "text": said}}


def _text(said: str) -> Json:
    return {"type": "text", "text": said}


async def _fail(exchange: Exchange, arguments: Json) -> Json:
    return failed("This tool intentionally returns an error for testing")


async def _log_and_work(exchange: Exchange, arguments: Json) -> Json:
    exchange.log("info", "Tool execution started")
    await asyncio.sleep(PAUSE_SECONDS)
    exchange.log("info", "Tool processing data")
    await asyncio.sleep(PAUSE_SECONDS)
    exchange.log("info", "Tool execution completed")
    return text("Logged three messages.")


async def _progress(exchange: Exchange, arguments: Json) -> Json:
    for done in (0, 50, 100):
        exchange.progress(done, 100)
        await asyncio.sleep(PAUSE_SECONDS)
    return text("Reported three steps.")


async def _sampling(exchange: Exchange, arguments: Json) -> Json:
    answers = await exchange.ask({"sampled": sample(text_of(arguments, "prompt"))})
    return text(f"LLM response: {_sampled(answers['sampled'])}")


def _sampled(answer: Json) -> str:
    content = answer["content"]
    return str(content.get("text", content)) if isinstance(content, dict) else str(content)


async def _elicitation(exchange: Exchange, arguments: Json) -> Json:
    form = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    question = elicit(text_of(arguments, "message"), form, ("username", "email"))
    answer = (await exchange.ask({"user": question}))["user"]
    return text(f"User response: {_in_words(answer)}")


def _in_words(answer: Json) -> str:
    return f"action={answer['action']}, content={json.dumps(answer.get('content'))}"


async def _elicit_defaults(exchange: Exchange, arguments: Json) -> Json:
    form = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    }
    answer = (await exchange.ask({"defaults": elicit("Review the defaults", form)}))["defaults"]
    return text(f"Elicitation completed: {_in_words(answer)}")


async def _elicit_enums(exchange: Exchange, arguments: Json) -> Json:
    options = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{n}", "title": f"{word} Option"}
        for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    form = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}},
    }
    answer = (await exchange.ask({"enums": elicit("Choose", form)}))["enums"]
    return text(f"Elicitation completed: {_in_words(answer)}")


async def _reconnect(exchange: Exchange, arguments: Json) -> Json:
    was_closed = exchange.hang_up()
    await asyncio.sleep(PAUSE_SECONDS)
    return text("The stream was closed before this." if was_closed else "Nothing to close.")


async def _need_sampling(exchange: Exchange, arguments: Json) -> Json:
    exchange.require(sample(""))
    return text("The client declared sampling.")


async def _stream_elicitation(exchange: Exchange, arguments: Json) -> Json:
    exchange.progress(0, 1)
    question = elicit("What is your name?", *NAME_FORM)
    answers = await exchange.ask({"user_name": question}, stateful=False)
    return text(f"Hello, {_name(answers['user_name'])}!")


def _name(answer: Json) -> str:
    return str((answer.get("content") or {}).get("name", "stranger"))


async def _ask_name(exchange: Exchange, arguments: Json) -> Json:
    question = elicit("What is your name?", *NAME_FORM)
    answers = await exchange.ask({"user_name": question}, stateful=False)
    return text(f"Hello, {_name(answers['user_name'])}!")


async def _ask_capital(exchange: Exchange, arguments: Json) -> Json:
    question = sample("What is the capital of France?")
    answers = await exchange.ask({"capital_question": question}, stateful=False)
    return text(_sampled(answers["capital_question"]))


async def _ask_roots(exchange: Exchange, arguments: Json) -> Json:
    answers = await exchange.ask({"client_roots": list_roots()}, stateful=False)
    uris = [root["uri"] for root in answers["client_roots"]["roots"]]
    return text(f"Roots: {', '.join(uris)}")


async def _confirm(exchange: Exchange, arguments: Json) -> Json:
    question = elicit("Please confirm", {"ok": {"type": "boolean"}}, ("ok",))
    await exchange.ask({"confirm": question})
    return text("state-ok")


async def _ask_everything(exchange: Exchange, arguments: Json) -> Json:
    answers = await exchange.ask(
        {
            "user_name": elicit("What is your name?", *NAME_FORM),
            "greeting": sample("Generate a greeting", 50),
            "client_roots": list_roots(),
        }
    )
    name, greeting = _name(answers["user_name"]), _sampled(answers["greeting"])
    return text(f"{greeting} {name}, with {len(answers['client_roots']['roots'])} roots")


async def _ask_in_rounds(exchange: Exchange, arguments: Json) -> Json:
    first = await exchange.ask({"step1": elicit("Step 1: What is your name?", *NAME_FORM)})
    colour = elicit(
        "Step 2: What is your favorite color?", {"color": {"type": "string"}}, ("color",)
    )
    second = await exchange.ask({"step2": colour})
    chosen = (second["step2"].get("content") or {}).get("color")
    return text(f"{_name(first['step1'])} likes {chosen}.")


async def _ask_what_is_declared(exchange: Exchange, arguments: Json) -> Json:
    possible = {
        "user_name": elicit("What is your name?", *NAME_FORM),
        "greeting": sample("Generate a greeting", 50),
        "client_roots": list_roots(),
    }
    asks = {key: ask for key, ask in possible.items() if exchange.caller.declares(ask)}
    answers = await exchange.ask(asks)
    return text(f"Answered: {', '.join(sorted(answers))}")


def _toggling(kind: str) -> Run:
    async def run(exchange: Exchange, arguments: Json) -> Json:
        exchange.world.toggle(kind)
        return text(f"The list of {kind} changed.")

    return run


async def _greet(exchange: Exchange, arguments: Json) -> Json:
    return text(f"Hello, {text_of(arguments, 'name')}!")


async def _slow_compute(exchange: Exchange, arguments: Json) -> Json:
    await asyncio.sleep(float(arguments.get("seconds", 0)))
    return text(f"Computed {arguments.get('label', 'nothing')}.")


async def _failing_job(exchange: Exchange, arguments: Json) -> Json:
    await asyncio.sleep(PAUSE_SECONDS)
    return failed("The job failed.")


async def _protocol_error_job(exchange: Exchange, arguments: Json) -> Json:
    await asyncio.sleep(PAUSE_SECONDS)
    raise RpcError(INTERNAL_ERROR, "The job broke the protocol.")


async def _confirm_delete(exchange: Exchange, arguments: Json) -> Json:
    filename = text_of(arguments, "filename")
    question = elicit(f"Delete {filename}?", {"confirm": {"type": "boolean"}}, ("confirm",))
    answer = (await exchange.ask({"confirm": question}))["confirm"]
    agreed = answer["action"] == "accept" and (answer.get("content") or {}).get("confirm")
    return text(f"{'Deleted' if agreed else 'Kept'} {filename}.")


async def _multi_input(exchange: Exchange, arguments: Json) -> Json:
    answers = await exchange.ask(
        {
            "first": elicit("First name?", *NAME_FORM),
            "second": elicit("Second name?", *NAME_FORM),
        }
    )
    return text(f"{_name(answers['first'])} and {_name(answers['second'])}")


async def _ask_before_task(exchange: Exchange, arguments: Json) -> Json:
    answers = await exchange.ask({"user_name": elicit("What is your name?", *NAME_FORM)})
    return arguments | {"user_name": _name(answers["user_name"])}


async def _name_in_task(exchange: Exchange, arguments: Json) -> Json:
    return text(f"The task is for {arguments['user_name']}.")


PLAIN_TOOLS = (
    Tool(
        "test_simple_text",
        "Returns a text",
        _always(_text("This is a simple text response for testing.")),
    ),
    Tool("test_image_content", "Returns an image", _always(IMAGE)),
    Tool("test_audio_content", "Returns a sound", _always(AUDIO)),
    Tool(
        "test_embedded_resource",
        "Returns an embedded resource",
        _always(
            _embedded(
                "test://embedded-resource", "text/plain", "This is an embedded resource content."
            )
        ),
    ),
    Tool(
        "test_multiple_content_types",
        "Returns a text, an image and a resource",
        _always(
            _text("Multiple content types test:"),
            IMAGE,
            _embedded(
                "test://mixed-content-resource",
                "application/json",
                json.dumps({"test": "data", "value": 123}),
            ),
        ),
    ),
    Tool("test_error_handling", "Always fails", _fail),
    Tool("test_tool_with_logging", "Logs three messages", _log_and_work),
    Tool("test_logging_tool", "Logs where the client asked for it", _log_and_work),
    Tool("test_tool_with_progress", "Reports three steps", _progress),
    Tool("test_reconnection", "Closes the stream before it answers", _reconnect),
    Tool(
        "json_schema_2020_12_tool",
        "Has an input schema of many keywords",
        _always(_text("The arguments were accepted.")),
        schema=DRAFT_2020_12,
    ),
    Tool("test_missing_capability", "Needs sampling", _need_sampling),
    Tool("test_trigger_tool_change", "Adds or removes a tool", _toggling("tools")),
    Tool("test_trigger_prompt_change", "Adds or removes a prompt", _toggling("prompts")),
)

ASKING_TOOLS = (
    Tool(
        "test_sampling",
        "Asks the client's model",
        _sampling,
        {"prompt": {"type": "string"}},
        ("prompt",),
    ),
    Tool(
        "test_elicitation",
        "Asks the user",
        _elicitation,
        {"message": {"type": "string"}},
        ("message",),
    ),
    Tool("test_elicitation_sep1034_defaults", "Asks with defaults", _elicit_defaults),
    Tool("test_elicitation_sep1330_enums", "Asks with enumerations", _elicit_enums),
    Tool("test_streaming_elicitation", "Reports progress, then asks", _stream_elicitation),
    Tool("test_input_required_result_elicitation", "Asks the user's name", _ask_name),
    Tool("test_input_required_result_sampling", "Asks for a capital", _ask_capital),
    Tool("test_input_required_result_list_roots", "Asks for the roots", _ask_roots),
    Tool("test_input_required_result_request_state", "Asks, keeping state", _confirm),
    Tool("test_input_required_result_tampered_state", "Asks, guarding its state", _confirm),
    Tool("test_input_required_result_multiple_inputs", "Asks three things", _ask_everything),
    Tool("test_input_required_result_multi_round", "Asks twice", _ask_in_rounds),
    Tool("test_input_required_result_capabilities", "Asks what it may", _ask_what_is_declared),
)

TASK_TOOLS = (
    Tool("greet", "Greets at once", _greet, {"name": {"type": "string"}}, ("name",)),
    Tool(
        "slow_compute",
        "Takes some seconds",
        _slow_compute,
        {"seconds": {"type": "number"}, "label": {"type": "string"}},
        as_task="optional",
    ),
    Tool("failing_job", "Fails as a tool", _failing_job, as_task="required"),
    Tool("protocol_error_job", "Fails as a request", _protocol_error_job, as_task="required"),
    Tool(
        "confirm_delete",
        "Asks before it deletes",
        _confirm_delete,
        {"filename": {"type": "string"}},
        ("filename",),
        as_task="optional",
    ),
    Tool("multi_input", "Asks two things at once", _multi_input, as_task="optional"),
    Tool(
        "test_tool_with_task",
        "Asks, then works as a task",
        _name_in_task,
        as_task="required",
        prepare=_ask_before_task,
    ),
)
