"""Two of each behind the gateway, restarted and killed one after another under load: nothing is lost, or done twice."""

import os
import random
import time

import pytest

from tests.support.cluster import SERVICES, kill_and_start, restart

pytestmark = pytest.mark.faults

MINUTES = float(os.environ.get("MINUTES") or 20)


@pytest.fixture(scope="module")
def cluster(new_cluster):
    return new_cluster(replicas=2)


def check(cluster, workload, inference, killed):
    """No request failed but repeated ones, which all of the workload's are; no row was asked again but those in flight.

    ``killed`` workers had at most four requests in flight each.
    """
    workload.finish()
    unexpected = [one for one in workload.outcomes if one.status >= 500 and one.status != 503]
    assert unexpected == []
    again = sum(count - 1 for count in inference.asked.values())
    assert again <= 4 * killed, inference.asked.most_common(10)
    for name in cluster.running:
        assert "Traceback" not in cluster.log(name), name


def go_round(processes, workload, treat, every_s=0.0):
    """Treat replicas one at a time."""
    for process in processes:
        treat(process)
        workload.check()
        time.sleep(every_s)


def test_it_works(cluster, new_workload, inference):
    """One of each is killed, and the other one is then restarted in order."""
    inference.asked.clear()
    workload = new_workload(cluster)
    workload.wait_for_a_turn_of_each()
    go_round([replicas[0] for replicas in cluster.running.values()], workload, kill_and_start)
    before = len(workload.outcomes)
    go_round([cluster.running[name][1] for name in SERVICES], workload, restart)
    workload.wait_for_a_turn_of_each()

    check(cluster, workload, inference, 1)
    # What is restarted in order hands its work over: hardly any request has to be repeated.
    outcomes = workload.outcomes[before:]
    assert sum(one.status in (0, 503) for one in outcomes) <= len(outcomes) // 20, workload.statuses()


@pytest.mark.soak
def test_for_long(cluster, new_workload, inference):
    inference.asked.clear()
    workload = new_workload(cluster)
    ends, workers = time.monotonic() + MINUTES * 60, 0
    while time.monotonic() < ends:
        go_round(cluster.processes, workload, random.choice([restart, kill_and_start]), every_s=1)
        workers += 2
        workload.wait_for_a_turn_of_each()

    check(cluster, workload, inference, workers)
