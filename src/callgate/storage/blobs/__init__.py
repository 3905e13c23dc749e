"""Where payloads too large for the database are kept, each under the digest of what it is."""
