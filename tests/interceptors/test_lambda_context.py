"""What a handler is told besides its event."""

from callgate.interceptors.lambda_context import Invocation, LambdaContext


def test_a_handler_is_told_who_asks_and_how_long_it_has() -> None:
    now = [10.0]
    custom = {"GATEWAY_ARN": "arn", "GATEWAY_ACCOUNT_ID": "1", "REQUEST_ID": "c1"}
    context = LambdaContext(
        Invocation(
            event=b"{}",
            custom=custom,
            request_id="r-1",
            function="guard.py",
            deadline=12.5,
            ticks=lambda: now[0],
        )
    )

    assert (context.function_name, context.aws_request_id) == ("guard.py", "r-1")
    assert context.client_context.custom == custom
    assert context.get_remaining_time_in_millis() == 2500
    now[0] = 13.0
    assert context.get_remaining_time_in_millis() == 0
