"""The history of the schema; Alembic runs what is in ``versions``."""
