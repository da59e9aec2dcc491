"""The arguments of `tunedeck run`."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any, Iterable, Sequence

from tunedeck_client.errors import BadFolder
from tunedeck_client.lines.text import clean
from tunedeck_client.login import find_login

USAGE = "tunedeck run [options] -- command [argument ...]"
EXIT_CODES = """\
exit codes: the command's own; 128+n where signal n ended it; 143 after SIGTERM, or where the job was
cancelled; 127 no such command; 126 not executable; 1 the model was not uploaded; 2 wrong arguments, or a
job that cannot be claimed"""


def declared_options() -> list[argparse.Action]:
    """Return the options, for a shell's completion; `--help` is every command's."""
    return [each for each in _parser()._actions if each.dest != "help"]


def parse_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options, with the command as `command`; ends the process with 2 where they cannot work."""
    parser = _parser()
    own, command = list(arguments), []
    if "--" in own:
        at = own.index("--")
        own, command = own[:at], own[at + 1 :]
    options = parser.parse_args(own)
    options.command = command
    if not command and not options.report:
        parser.error(f"the command is missing: {USAGE}")
    if options.job is not None and (options.dataset is not None or options.set or options.name is not None):
        parser.error("--dataset, --set and --name describe a new job, --job names one that is there")
    if options.job is not None and options.job < 1:
        parser.error("--job must be an integer from 1 on")
    if options.upload is None and (options.base_model is not None or options.model_name is not None):
        parser.error("--base-model and --model-name describe what --upload uploads")
    logs_url = options.logs_url or os.environ.get("TUNEDECK_LOGS_URL") or os.environ.get("LOGS_URL")
    try:
        options.url, options.token = find_login(options.url)
        options.logs_url, options.logs_token = find_login(logs_url or options.url)
        options.new = _new_job(options)
    except (BadFolder, ValueError) as error:
        parser.error(str(error))
    options.parser = parser
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tunedeck run",
        usage=USAGE,
        description="Run a command as a job: its output is the job's log, its exit code the job's end.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--job", type=int, metavar="ID", help="a job that is there; without it one is created"
    )
    parser.add_argument("--dataset", type=int, metavar="N", help="the new job's dataset")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="its configuration")
    parser.add_argument("--name", help="its name")
    parser.add_argument("--upload", metavar="DIR", help="the folder that becomes the job's model in the end")
    parser.add_argument("--base-model", metavar="NAME", help="its base model, default that of its adapter")
    parser.add_argument("--model-name", metavar="NAME", help="the model's name")
    parser.add_argument("--url", help="the gateway, default $TUNEDECK_URL, else that of `tunedeck login`")
    parser.add_argument("--logs-url", help="the logs service, default $TUNEDECK_LOGS_URL or the gateway")
    parser.add_argument("--kernel", default=os.environ.get("TUNEDECK_KERNEL"), help="a name for this machine")
    parser.add_argument("--source", default="kernel", help="the lines' source")
    parser.add_argument("--spool-dir", metavar="DIR", help="where waits what the service has not stored yet")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the job, its end and its model as JSON; the command's output goes to stderr",
    )
    parser.add_argument(
        "--report", action="store_true", help="send what earlier runs on this machine have left, and end"
    )
    return parser


def _new_job(options: argparse.Namespace) -> dict[str, Any]:
    new: dict[str, Any] = {"configuration": configuration_of(options.set)}
    if options.dataset is not None:
        new["dataset_id"] = options.dataset
    if options.name is not None:
        new["name"] = clean(options.name)
    return new


def configuration_of(pairs: Iterable[str]) -> dict[str, Any]:
    """Return a job's configuration by the arguments of --set; ValueError where one is not KEY=VALUE."""
    configuration = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise ValueError(f"--set takes KEY=VALUE, not {pair!r}")
        configuration[clean(name)] = _value(value)
    return configuration


def _value(text: str) -> Any:
    """Return what the text is in JSON, or the text itself: `--set lr=1e-4 --set model=tiny`."""
    try:
        return json.loads(text, parse_constant=lambda name: name)
    except (ValueError, RecursionError):
        return clean(text)
