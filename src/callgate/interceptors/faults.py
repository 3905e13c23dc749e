"""What keeps an interceptor from being made."""


class InterceptorError(Exception):
    """An interceptor cannot be made of its settings; the message names the fix."""
