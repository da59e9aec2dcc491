"""`python -m services.evaluations.worker` runs evaluations; several may run, and each may be killed at any time."""

from gevent import monkey

# Before any other import: all that blocks is to yield to the other greenlets, the lease's heartbeat among them.
monkey.patch_all()

from services.evaluations.worker.loop import main  # noqa: E402
from shared.settings import exit_on  # noqa: E402

with exit_on():
    main()
