"""Bytes in, messages out: JSON-RPC and MCP, without I/O."""
