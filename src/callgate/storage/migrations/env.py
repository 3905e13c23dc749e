"""What Alembic runs: the migrations, on the connection that `upgrade` handed over."""

from __future__ import annotations

from alembic import context

from callgate.storage.schema import metadata

# The connection is in a transaction already: all migrations happen, or none.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
