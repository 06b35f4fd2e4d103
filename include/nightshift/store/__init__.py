"""PostgreSQL: models, migrations, the writer and the reader."""
