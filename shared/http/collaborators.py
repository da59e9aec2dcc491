"""What an app works with, its bucket, its clients: given by ``create_app``, found by an endpoint by its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from flask import Flask, current_app

Kind = TypeVar("Kind")

_NAME = "tunedeck"


def provide(app: Flask, collaborators: Mapping[type, object]) -> None:
    """Give an app its collaborators, each under the class by which endpoints ask for it."""
    app.extensions[_NAME] = collaborators


def collaborator(kind: type[Kind]) -> Kind:
    """Return the present app's collaborator of that class."""
    return cast(Kind, current_app.extensions[_NAME][kind])
