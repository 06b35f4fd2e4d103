"""Run by Alembic: migrates the connection that ``nightshift.store.schema.migrate`` hands over."""

from alembic import context

from nightshift.store.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
)
context.run_migrations()
