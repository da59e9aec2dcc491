"""The bucket that the test sets lie in, and an evaluation's stored rows."""

import pytest

from shared.s3.bucket import Bucket
from shared.s3.client import connect

EVALUATIONS = "/api/v1/evaluations"


@pytest.fixture
def datasets(store_settings):
    return Bucket(connect(store_settings), "datasets")


@pytest.fixture
def examples(evaluations):
    """Return all of an evaluation's examples."""

    def examples(evaluation):
        found, page = [], 1
        while data := _examples(evaluations, evaluation, page)["data"]:
            found, page = found + data, page + 1
        return found

    return examples


def _examples(evaluations, evaluation, page):
    return evaluations.get(f"{EVALUATIONS}/{evaluation}/examples", params={"limit": 100, "page": page}).json()
