"""Questions about the record, asked of the same database while the gateway writes to it."""

from callgate.storage.reading.records import Records

__all__ = ["Records"]
