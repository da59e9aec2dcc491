"""Ids in paths: 1 to 2⁶³−1 in ASCII digits; anything else is no resource, whatever the method."""

import pytest

from tests.support.databases import one_database


@one_database
@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("number", ["0", "00", str(2**63), "9" * 19, "9" * 30, "٣", "1_0", "-1", "1.0", "%00", "x"])
def test_anything_else_is_404(logs, method, number):
    answer = logs.request(method, f"/api/v1/jobs/{number}", json={"status": "failed"})

    assert answer.status_code == 404
    assert answer.json()["code"] == 404
