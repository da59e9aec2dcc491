"""Who may do what, at every route of every service, at the service itself and through the gateway."""

from __future__ import annotations

import functools
import re

import pytest

from services.evaluations.app import create_app as evaluations_app
from services.logs.app import create_app as logs_app
from services.models.app import create_app as models_app
from shared.auth.scopes import RULES
from shared.auth.signing import SecretSigner, service_headers
from tests.shared.auth.conftest import SECRET

SERVICES = ("logs", "models", "evaluations")
JOB = "/api/v1/jobs/{job_id}"
MODEL = "/api/v1/models/{model_id}"
MLFLOW = "/mlflow/api/2.0/mlflow"

OPEN = {("GET", "/api/v1/session"), ("POST", "/api/v1/session"), ("DELETE", "/api/v1/session")}
WRITING_READS = {("GET", f"{MODEL}/uploads/{{upload_id}}")}
"""GETs that hand out links for writing."""
HUB = "/api/models/{namespace}/{name}"
ABSENT = {
    f"{HUB}/{{kind}}/{{revision}}",
    *("/api/{kind}", "/api/{kind}/{rest}", "/{kind}/{namespace}/{name}/resolve/{rest}"),
}
"""Of the Hub's API, and refused: to whoever has any token."""
READING_WRITES = {
    ("POST", "/api/v1/tickets"),
    ("POST", f"{HUB}/paths-info/{{revision}}"),
    ("POST", "/api/validate-yaml"),
    *((method, path) for path in ABSENT for method in ("POST", "PUT", "PATCH", "DELETE")),
}
OF_KERNELS = {
    ("GET", "/api/v1/jobs"),
    ("GET", JOB),
    ("POST", f"{JOB}/token"),
    ("GET", "/api/v1/datasets"),
    ("PUT", "/api/v1/datasets/{name}"),
    ("GET", "/api/whoami-v2"),
}
"""And claims, which the body tells apart from other changes of a job."""
OF_JOBS = {
    ("GET", JOB),
    ("PUT", JOB),
    *((method, f"{JOB}/{part}") for method in ("GET", "POST") for part in ("logs", "metrics")),
    ("GET", f"{JOB}/logs/download"),
    ("POST", f"{JOB}/trainer-status"),
    ("POST", f"{JOB}/otlp/v1/logs"),
    *(("POST", f"{MLFLOW}/runs/{call}") for call in ("update", "log-metric", "log-batch", "log-parameter", "set-tag")),
    ("GET", f"{MLFLOW}/runs/get"),
    ("GET", f"{MLFLOW}/metrics/get-history"),
    ("GET", MODEL),
    ("PUT", MODEL),
    *((method, f"{MODEL}/files/{{path}}") for method in ("GET", "PUT", "DELETE")),
    *(("GET", f"{MODEL}/{part}") for part in ("files", "uploads", "download", "download/{filename}")),
    ("POST", f"{MODEL}/uploads"),
    ("GET", f"{MODEL}/uploads/{{upload_id}}"),
    ("DELETE", f"{MODEL}/uploads/{{upload_id}}"),
    ("POST", f"{MODEL}/uploads/{{upload_id}}/complete"),
    *(("GET", f"{HUB}{part}") for part in ("", "/revision/{revision}", "/refs", "/tree/{revision}")),
    ("GET", f"{HUB}/tree/{{revision}}/{{folder}}"),
    ("POST", f"{HUB}/paths-info/{{revision}}"),
    ("GET", "/{namespace}/{name}/resolve/{revision}/{path}"),
    ("POST", f"{HUB}/preupload/{{revision}}"),
    ("POST", f"{HUB}/commit/{{revision}}"),
    ("POST", f"{HUB}/lfs/verify"),
    ("POST", f"{HUB}/lfs/{{staged_id}}/complete"),
    ("POST", "/{namespace}/{name}.git/info/lfs/objects/batch"),
}
"""Each for the job that it names, by a path, a model or a run's id."""
OF_ANY_JOB = {
    ("GET", f"{MLFLOW}/experiments/get-by-name"),
    ("GET", f"{MLFLOW}/experiments/get"),
    ("POST", f"{MLFLOW}/experiments/create"),
    ("GET", "/api/whoami-v2"),
    ("POST", "/api/validate-yaml"),
    ("POST", "/api/repos/create"),
    *((method, path) for path in ABSENT for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
}
NAMED_BY_ITS_FIELD = {("GET", "/api/v1/models"), ("POST", "/api/v1/models")}
"""403 for the id of another job: it is in the request's own words."""

ROUTES = {
    ("get_health", "/healthz"),
    ("get_readiness", "/readyz"),
    ("show_metrics", "/metrics"),
    ("api-docs.openapi_json", "/openapi.json"),
}


@functools.cache
def routes(guarded, service):
    paths = guarded.call(service, "GET", "/openapi.json").json()["paths"]
    return sorted(
        (method.upper(), path) for path, methods in paths.items() for method in methods if method != "parameters"
    )


def scope_of(method, path):
    if (method, path) in OPEN:
        return "open"
    reads = (method == "GET" or (method, path) in READING_WRITES) and (method, path) not in WRITING_READS
    return "read" if reads else "write"


def expected(method, path, who):
    """Return the refusal that a caller gets, or None where the request goes on to the endpoint."""
    route, scope = (method, path), scope_of(method, path)
    if scope == "open":
        return None
    if who in NOBODIES:
        return 401
    if who == "ticket":
        if (method, path) in WRITING_READS:
            return 403
        return None if scope == "read" and method == "GET" else 401
    if who == "cookie":
        return None if method == "GET" else 403
    if who in ("write", "cookie of the same origin", "service"):
        return None
    if who == "read":
        return None if scope == "read" else 403
    if who == "kernel":
        return None if route in OF_KERNELS else 403
    if route in OF_ANY_JOB or (who == "job" and route in OF_JOBS | NAMED_BY_ITS_FIELD):
        return None
    return 404 if route in OF_JOBS else 403


NOBODIES = ("nobody", "garbage", "expired", "revoked", "its job's revoked")
CALLERS = (
    *NOBODIES,
    *("read", "write", "kernel", "job", "another job", "ticket", "cookie", "cookie of the same origin", "service"),
)


@pytest.fixture(scope="module")
def known(guarded):
    """A job, a model of it, and each caller's means."""
    tokens = guarded.tokens
    kernel, read = tokens.add("gpu-1", "kernel"), tokens.add("reader", "read")
    expired = tokens.add("expired", "read", "write", expires_at="2020-01-01T00:00:00Z")
    revoked = tokens.add("revoked", "read", "write")
    guarded.tokens.wait_until_read()
    job = guarded.new_job()
    guarded.call("logs", "PUT", f"/api/v1/jobs/{job}", kernel, json={"status": "running", "kernel": "gpu-1"})
    of_revoked = guarded.job_token(job, revoked)
    tokens.remove("revoked")
    guarded.tokens.wait_until_read()
    return {
        "job": job,
        "model": guarded.new_model(job),
        "bearer": {
            "garbage": "td_garbage",
            "expired": expired,
            "revoked": revoked,
            "read": read,
            "write": guarded.admin,
            "kernel": kernel,
            "job": guarded.job_token(job, kernel),
            "another job": guarded.job_token(guarded.new_job()),
            "its job's revoked": of_revoked,
        },
    }


def attempt(guarded, where, method, template, who, known):
    """Make a request of an endpoint as somebody, and return its answer."""
    job, model = known["job"], known["model"]
    names = {
        "job_id": job,
        "model_id": model,
        "upload_id": 9,
        "staged_id": 9,
        "evaluation_id": 999_999,
        "path": "f",
        "name": "t",
    }
    names["kind"] = "xet-read-token" if template.startswith(HUB) else "datasets"
    if "{namespace}" in template:
        names |= {"namespace": "tunedeck", "name": f"model-{model}", "revision": "main"}
    if template == "/{kind}/{rest}":
        names["rest"] = "a/b/resolve/main/f"  # what of a data set the gateway passes on
    path = re.sub(r"\{(\w+)\}", lambda match: str(names.get(match[1], "x")), template)
    kwargs = {"headers": {}}
    if method == "GET":
        query = {"run_id": job, "limit": 1, "job_id": job, "experiment_name": "x", "experiment_id": "0"}
        kept = {"/api/v1/models": ("limit", "job_id"), "/api/v1/jobs": ("limit",), f"{JOB}/logs": ("limit",)}
        wanted = kept.get(template, ("run_id", "experiment_name", "experiment_id") if "mlflow" in template else ())
        kwargs["params"] = {name: query[name] for name in wanted}
    elif method == "POST" and "mlflow" in template:
        kwargs["json"] = {"run_id": str(job)}
    elif (method, template) == ("POST", "/api/v1/models"):
        kwargs["json"] = {"name": "made", "base_model": "b", "job_id": job}
    elif (method, template) == ("PUT", JOB):
        kwargs["json"] = {"status": "completed"}
    elif method == "POST" and "{namespace}" in template:
        # Whole bodies: what is wrong with one is said before whose the model is.
        kwargs["json"] = {"files": [], "objects": [], "operation": "upload", "parts": [], "oid": "0" * 64, "size": 0}
    elif method in ("POST", "PUT"):
        kwargs["json"] = {}
    if who.startswith("cookie"):
        kwargs["cookies"] = known["cookies"][where]
        kwargs["headers"] = {"Sec-Fetch-Site": "same-origin"} if who.endswith("origin") else {}
    elif who == "ticket":
        query = "?" + "&".join(f"{name}={value}" for name, value in kwargs.pop("params", {}).items())
        made = guarded.call("logs", "POST", "/api/v1/tickets", guarded.admin, json={"path": path + query.rstrip("?")})
        if made.status_code == 422:  # below /mlflow/ there are none
            return None
        path = made.json()["url"].removeprefix(guarded.urls["gateway"])
    bearer = service_token() if who == "service" else known["bearer"].get(who)
    return guarded.call(where, method, path, bearer, **kwargs)


def service_token():
    """One is good for a minute, and so for no test that has to wait for the machine."""
    return service_headers(SecretSigner(SECRET), "another")["Authorization"].split()[1]


@pytest.fixture(scope="module")
def cookies(guarded):
    def cookies_of(session):
        return dict(session.cookies.items())

    at = {where: dict(guarded.session(guarded.admin, "logs").cookies.items()) for where in ("logs",)}
    gateway = cookies_of(guarded.session(guarded.admin, "gateway"))
    (value,) = at["logs"].values()
    for service in SERVICES:
        port = guarded.urls[service].rpartition(":")[2]
        at[service] = {f"tunedeck-{port}": value}
    return at | {"gateway": gateway}


@pytest.mark.parametrize("through", ["service", "gateway"])
@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("who", CALLERS)
def test_every_route_admits_and_refuses_as_it_should(guarded, known, cookies, service, through, who):
    where = service if through == "service" else "gateway"
    wrong = []
    for method, template in routes(guarded, service):
        of_a_model = "{model_id}" in template or "{namespace}" in template
        model = guarded.new_model(known["job"]) if of_a_model and who not in NOBODIES else known["model"]
        known = known | {"model": model, "cookies": cookies}
        answer = attempt(guarded, where, method, template, who, known)
        if answer is None:
            continue
        wanted = expected(method, template, who)
        got = answer.status_code
        admitted = got not in (401, 403) and not (got == 404 and answer.json()["message"].startswith(NOT_THERE))
        if (wanted is None and not admitted) or (wanted is not None and got != wanted):
            if (wanted, got, method, template) == (None, 401, "POST", "/api/v1/session"):
                continue  # of a body without a token
            wrong.append((method, template, wanted, got, answer.text[:200]))
        if got == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        if got == 403:
            assert "The scope" in answer.text or "cookie" in answer.text
    assert wrong == []


NOT_THERE = ("There is no job", "There is no model", "There is no repository")


def test_the_table_has_every_route_and_no_other(monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    known = {
        rule.endpoint
        for create_app in (logs_app, models_app, evaluations_app)
        for rule in create_app().url_map.iter_rules()
    }
    assert known == set(RULES)


SETTINGS = {
    "DATABASE_URL": "sqlite:////nowhere/x.db",
    "REDIS_URL": "redis://127.0.0.1:1",
    "S3_ENDPOINT": "http://127.0.0.1:1",
    **dict.fromkeys(("S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_PARTS_ACCESS_KEY", "S3_PARTS_SECRET_KEY"), "x"),
    "S3_REGION": "us-east-1",
    "LOGS_URL": "http://127.0.0.1:1",
    "MODELS_URL": "http://127.0.0.1:1",
    "GATEWAY_URL": "http://127.0.0.1:1",
}


@pytest.mark.parametrize("service", SERVICES)
def test_health_metrics_and_the_openapi_document_stay_open_and_off_the_gateway(guarded, service):
    for _, path in ROUTES:
        assert guarded.call(service, "GET", path).status_code == 200
        assert guarded.call("gateway", "GET", path).status_code == 404


@pytest.mark.parametrize("service", SERVICES)
def test_an_address_that_does_not_exist_is_404_and_a_method_405_for_everybody(guarded, service):
    assert guarded.call(service, "GET", "/api/v1/nothing").status_code == 404
    assert guarded.call(service, "PATCH", {"logs": "/api/v1/jobs"}.get(service, "/healthz")).status_code == 405
