"""The logs service with a count of its greenlets: `gunicorn … tests.logs.faults.watched:create_app()`."""

import gc
import os

import greenlet

from services.logs import app


def create_app():
    made = app.create_app()
    made.add_url_rule("/greenlets", view_func=_count)
    return made


def _count():
    # By type(): isinstance would ask Flask's proxies, which answer for what they stand for.
    alive = [each for each in gc.get_objects() if issubclass(type(each), greenlet.greenlet) and not each.dead]
    return {"pid": os.getpid(), "greenlets": len(alive)}
