"""A lease that is kept alive by a heartbeat"""

import threading

import pytest

from shared.errors import Unavailable
from shared.lease import HEARTBEAT_S, LEASE, kept_alive
from tests.support.waiting import wait_until


class Lease:
    """Counts its renewals; ``answers`` are what they return or raise, the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.renewals = list(answers), 0

    def renew(self):
        answer = self.answers[min(self.renewals, len(self.answers) - 1)]
        self.renewals += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_it_is_renewed_during_the_block_and_no_longer():
    lease = Lease(True)
    with kept_alive(lease.renew, every_s=0.01) as lost:
        wait_until(lambda: lease.renewals >= 3)
    assert not lost.is_set()
    wait_until(lambda: not any(thread.name == "heartbeat" for thread in threading.enumerate()))
    renewals = lease.renewals
    assert not lost.wait(0.05)
    assert lease.renewals == renewals


def test_it_says_that_it_was_lost_and_stops():
    lease = Lease(True, False)
    with kept_alive(lease.renew, every_s=0.01) as lost:
        assert lost.wait(10)
    assert lease.renewals == 2


def test_a_database_that_is_away_for_a_moment_costs_nothing(caplog):
    lease = Lease(Unavailable("away"), Unavailable("away"), True)
    with kept_alive(lease.renew, every_s=0.01) as lost:
        wait_until(lambda: lease.renewals >= 4)
    assert not lost.is_set()
    assert caplog.text.count("could not be renewed") == 2


def test_the_block_s_own_error_ends_it():
    lease = Lease(True)
    with pytest.raises(KeyError), kept_alive(lease.renew, every_s=0.01):
        raise KeyError
    wait_until(lambda: not any(thread.name == "heartbeat" for thread in threading.enumerate()))


def test_a_heartbeat_may_fail_twice_before_the_lease_lapses():
    assert LEASE.total_seconds() > 3 * HEARTBEAT_S
