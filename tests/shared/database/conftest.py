"""A table of the tests' own, on both databases"""

import pytest
from peewee import BigAutoField, Model, TextField

from shared.database.connect import connection, open_database
from shared.database.fields import JSONField, TimeField
from shared.database.migrations import never_reused


@pytest.fixture
def opened(new_database, database_kind):
    """An empty database, to which nothing is connected yet."""
    opened = open_database(new_database(database_kind))
    yield opened
    opened.close_all()


@pytest.fixture
def item(opened):
    """The table ``item``."""

    class Item(Model):
        id = BigAutoField(constraints=never_reused(opened))
        text = TextField(null=True)
        at = TimeField(null=True)
        value = JSONField(null=True)

        class Meta:
            database = opened

    with connection(opened):
        opened.create_tables([Item])
    return Item
