"""HTTP/1.1 for ASGI applications, in the event loop of the gateway itself."""
