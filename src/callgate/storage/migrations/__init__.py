"""The way from any earlier schema to today's, with Alembic."""
