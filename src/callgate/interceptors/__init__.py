"""One file per kind of interceptor."""
