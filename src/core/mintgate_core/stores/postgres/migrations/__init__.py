"""The steps that make the tables, run by Alembic; see `stores.postgres.schema`."""
