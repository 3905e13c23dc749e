"""Where the record goes continuously: files, webhooks, collectors, lakes."""
