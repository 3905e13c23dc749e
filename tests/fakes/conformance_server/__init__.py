"""An MCP server of our own for tests: both eras, both transports, all that a gateway must bridge."""
