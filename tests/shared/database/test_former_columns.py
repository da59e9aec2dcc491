"""What a migration leaves to the code from before it, which goes on writing while replicas restart one by one."""

import shutil

import pytest

from run.parts import ROOT, SERVICES
from shared.database.connect import connection, open_database
from shared.database.migrations import migrate, require_migrated

EARLY = {"0003_idempotency_keys", "0002_uploads", "0005_no_stored_plans"}
"""From before anybody restarted replicas one by one."""


@pytest.fixture
def steps(new_database, database_kind, tmp_path):
    """Give the tables as they are after each of a service's migrations, with its name."""

    def steps(service):
        database, folder = open_database(new_database(database_kind)), tmp_path / service
        folder.mkdir()
        for migration in sorted((ROOT / "services" / service / "migrations").glob("0*.py")):
            shutil.copy(migration, folder)
            migrate(database, folder)
            with connection(database):
                yield migration.stem, tables_of(database)
        database.close_all()

    return steps


def tables_of(database):
    """Return each table's columns: name to type, and whether a row can do without."""
    return {
        table: {
            column.name: (column.data_type.upper(), column.null or column.default is not None or column.primary_key)
            for column in database.get_columns(table)
        }
        for table in database.get_tables()
    }


def problems(former, tables):
    """Say what the code that knows the former tables can no longer do."""
    for table, columns in former.items():
        for name, (kind, can_be_left_out) in columns.items():
            if name not in tables.get(table, {}):
                yield f"{table}.{name} is gone"
            elif tables[table][name] not in ((kind, can_be_left_out), (kind, True)):
                yield f"{table}.{name} is another"
        for name in tables.get(table, {}).keys() - columns.keys():
            if not tables[table][name][1]:
                yield f"{table}.{name} is new, and no row can do without"


@pytest.mark.parametrize("service", SERVICES)
def test_the_former_code_can_write_all_its_columns_and_need_not_know_the_new_ones(service, steps):
    former, found = {}, {}
    for migration, tables in steps(service):
        found[migration] = list(problems(former, tables))
        former = tables
    assert {migration: said for migration, said in found.items() if said and migration not in EARLY} == {}


@pytest.mark.parametrize("service", SERVICES)
def test_the_former_code_takes_tables_that_are_ahead_of_it(service, new_database, database_kind, tmp_path):
    database = open_database(new_database(database_kind))
    migrations = ROOT / "services" / service / "migrations"
    migrate(database, migrations)
    for migration in sorted(migrations.glob("0*.py"))[:-1]:
        shutil.copy(migration, tmp_path)
    require_migrated(database, tmp_path)
    database.close_all()
