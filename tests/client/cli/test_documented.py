"""Every command and option is in the docs, and what the docs name is there."""

import re
from pathlib import Path

import pytest
from tunedeck_client.cli.main import app

ROOT = Path(__file__).parents[3]
README = (ROOT / "client" / "README.md").read_text()
DOCS = [ROOT / "README.md", ROOT / "client" / "README.md", *(ROOT / "docs").glob("*.md")]
EVERY = {"--help", "--json"}
"""Options of every command, named once."""

OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def walk(command, words=()):
    """Yield the name of each command with its own options."""
    if hasattr(command, "commands"):
        for name, below in command.commands.items():
            yield from walk(below, (*words, name))
    else:
        options = {name for each in command.params for name in each.opts if name.startswith("--")}
        yield " ".join(words), options - EVERY


COMMANDS = dict(walk(app))
OF_RUN = README[README.index("## Around a command") : README.index("## In a trainer")]


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - {"run"}))
def test_its_row_in_the_readme_has_its_options_and_no_others(command):
    (row,) = re.findall(rf"^\|[^|\n]*`{command}`[^|\n]*\|(.*?)\|", README, re.M)
    assert set(OPTION.findall(row)) == COMMANDS[command]


def test_the_options_of_a_run_are_in_its_part_of_the_readme():
    assert set(OPTION.findall(OF_RUN)) >= COMMANDS["run"]


def test_the_options_of_the_command_itself_are_in_the_readme():
    own = {name for each in app.params for name in each.opts if name.startswith("--")}
    assert set(OPTION.findall(README)) | {"--help", "--version"} >= own | {"--json"}


def test_what_the_docs_name_is_there():
    found = [
        (path.name, line.partition(" -- ")[0])
        for path in DOCS
        for line in re.findall(r"(?:^|\s|`)tunedeck ([a-z][^`\n#|]*)", path.read_text())
    ]
    assert len(found) > 20
    for place, line in found:
        words = line.split()
        name = next((each for each in (" ".join(words[:2]), words[0]) if each in COMMANDS), None)
        assert name, (place, line)
        assert set(OPTION.findall(line)) <= COMMANDS[name] | EVERY, (place, line)


def test_curl_writes_no_error_into_a_file_of_the_servers_name():
    """With ``-OJ`` and without ``-f`` it does."""
    found = [line for path in DOCS for line in re.findall(r"curl [^\n]*-[a-zA-Z]*J[^\n]*", path.read_text())]
    assert found
    for line in found:
        assert re.search(r" -[a-zA-Z]*f", line), line
