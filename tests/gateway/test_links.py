"""Download links through the gateway: they open from wherever the model was asked for, and nothing else does"""

import io
import os
import socket
import ssl
import uuid
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import requests
from minio import Minio

from run import parts
from run.settings import free_port, gateway_hosts
from tests.support.services import environ_of
from tests.support.waiting import wait_until

MODELS = "/api/v1/models"
FILES = {
    "lora_adapters/a": b"first",
    "lora_adapters/b": b"second",
    "gguf/größe + 50%&x#1.gguf": b"GGUF",
}


@pytest.fixture(scope="module")
def behind(start, store_server, tmp_path_factory):
    """Start a gateway in front of a models service and return its port."""

    def behind(models, **environ):
        port, nobody = free_port(), f"127.0.0.1:{free_port()}"
        environ |= {"MODELS_UPSTREAM": models.url.removeprefix("http://"), "S3_UPSTREAM": store_server.endpoint}
        environ |= dict.fromkeys(("LOGS_UPSTREAM", "EVALUATIONS_UPSTREAM"), nobody)
        folder = tmp_path_factory.mktemp("gateway")
        start(parts.caddy(os.environ.get("CADDY_BIN"), folder, gateway_hosts(None), port, environ, ()))
        return port, folder

    return behind


@pytest.fixture(scope="module")
def service_of_links(service):
    return service("models", "sqlite")


@pytest.fixture(scope="module")
def port(behind, service_of_links):
    return behind(service_of_links)[0]


def make_model(models):
    # A path of its own: the services of other tests have the same bucket, and count their models from 1, too.
    own_path = f"links-{uuid.uuid4().hex}"
    model = models.post(MODELS, json={"name": "Links", "base_model": "b", "storage_path": own_path}).json()
    for path, content in FILES.items():
        url = f"{MODELS}/{model['ID']}/files/{requests.utils.quote(path)}"
        assert models.put(url, data=content).status_code == 200
    assert models.put(f"{MODELS}/{model['ID']}", json={"status": "ready"}).status_code == 200
    return model["ID"]


@pytest.fixture(scope="module")
def model_id(service_of_links):
    return make_model(service_of_links)


def get(port, url, **kwargs):
    """Open an URL as someone does to whom its host is the gateway's machine."""
    _, host, path = url.split("/", 3)[1:]
    kwargs["headers"] = {"Host": host, **kwargs.get("headers", {})}
    return requests.get(f"http://127.0.0.1:{port}/{path}", timeout=10, **kwargs)


def require_open(port, detail):
    """Open every link of a model's detail, as it stands."""
    for file in detail["model"]["file_list"]:
        assert get(port, file["url"]).content == FILES[file["path"]]
    assert get(port, detail["download_links"]["gguf"]).content == b"GGUF"
    folder = zipfile.ZipFile(io.BytesIO(get(port, detail["download_links"]["lora_adapters"]).content))
    assert [name.split("/", 1)[1] for name in folder.namelist()] == ["lora_adapters/a", "lora_adapters/b"]


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:{port}", "tuned.example", "tuned.example:8443"])
def test_it_works(port, model_id, host):
    """Also behind another name and port, which is what a forwarded port and a load balancer look like."""
    base = f"http://{host.format(port=port)}"
    detail = get(port, f"{base}{MODELS}/{model_id}", headers={"X-Forwarded-Proto": "https"}).json()
    links = [file["url"] for file in detail["model"]["file_list"]] + list(detail["download_links"].values())
    assert {link[: len(base) + 1] for link in links} == {f"{base}/"}  # whatever scheme a client says it has
    require_open(port, detail)


def test_they_are_listed_with_the_files_too(port, model_id):
    listed = get(port, f"http://tuned.example{MODELS}/{model_id}/files?limit=2").json()["data"]
    assert [get(port, file["url"]).content for file in listed] == [FILES[file["path"]] for file in listed]


def test_they_carry_the_public_url(serve, new_database, redis_url, store_settings, store_server, behind):
    """Where a proxy in front ends TLS, and gives itself another name."""
    environ = {"DATABASE_URL": new_database("sqlite"), "LOGS_URL": "http://127.0.0.1:9"}
    environ |= {"GATEWAY_URL": "http://127.0.0.1:9", "PUBLIC_URL": "https://tuned.example/", "ALLOWED_HOSTS": "inside"}
    models = serve("models", **environ, **environ_of(store_settings), **store_server.parts_environ)
    port, _ = behind(models)
    model_id = make_model(models)
    detail = get(port, f"http://inside{MODELS}/{model_id}").json()
    links = [file["url"] for file in detail["model"]["file_list"]] + list(detail["download_links"].values())
    assert {link[:22] for link in links} == {"https://tuned.example/"}
    require_open(port, detail)


def wait_for_certificate(port, root):
    """Caddy listens before it has made itself a certificate for the name."""
    context = ssl.create_default_context(cafile=root)

    def is_trusted():
        with socket.create_connection(("localhost", port), timeout=30) as plain, suppress(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="localhost").close()
            return True

    wait_until(is_trusted)


def test_they_are_https_where_the_gateway_is(behind, service_of_links, model_id):
    port, folder = behind(service_of_links, GATEWAY_SITE="https://localhost")
    root = next(folder.rglob("root.crt"))
    wait_for_certificate(port, root)
    detail = requests.get(f"https://localhost:{port}{MODELS}/{model_id}", verify=root, timeout=10).json()
    for file in detail["model"]["file_list"]:
        assert file["url"].startswith(f"https://localhost:{port}/")
        assert requests.get(file["url"], verify=root, timeout=10).content == FILES[file["path"]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lora_adapters/a?", "lora_adapters/b?"),
        ("lora_adapters/a?", "lora_adapters/?"),
        ("Expires=86400", "Expires=604800"),
        ("attachment", "inline"),
        ("Signature=", "Signature=0"),
        ("http://", "http://another."),
    ],
)
def test_it_rejects_a_tampered_link(port, model_id, old, new):
    detail = get(port, f"http://tuned.example{MODELS}/{model_id}").json()
    link = detail["model"]["file_list"][1]["url"]
    assert old in link
    assert get(port, link).status_code == 200
    assert get(port, link.replace(old, new)).status_code == 403


def test_it_rejects_an_expired_link(port, store_server, model_id):
    signer = Minio(
        endpoint="tuned.example",
        access_key=store_server.access_key,
        secret_key=store_server.secret_key,
        region="us-east-1",
        secure=False,
    )
    day = timedelta(hours=24)
    storage_path = get(port, f"http://tuned.example{MODELS}/{model_id}").json()["model"]["storage_path"]
    for age, status in ((day - timedelta(minutes=1), 200), (day + timedelta(seconds=1), 403)):
        link = signer.presigned_get_object(
            bucket_name="models",
            object_name=f"{storage_path}/lora_adapters/a",
            expires=day,
            request_date=datetime.now(UTC) - age,
        )
        assert get(port, link).status_code == status


def test_they_say_how_long_they_open(port, model_id):
    detail = get(port, f"http://tuned.example{MODELS}/{model_id}").json()
    query = requests.utils.urlparse(detail["model"]["file_list"][0]["url"]).query
    fields = dict(part.split("=", 1) for part in query.split("&"))
    signed = datetime.strptime(fields["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ends = datetime.fromisoformat(detail["model"]["links_expire_at"])
    assert (fields["X-Amz-Expires"], ends - signed) == ("86400", timedelta(hours=24))


def test_a_link_reads_and_does_no_more(port, model_id):
    link = get(port, f"http://127.0.0.1:{port}{MODELS}/{model_id}").json()["model"]["file_list"][1]["url"]
    for method, status in (("PUT", 405), ("DELETE", 405), ("POST", 405)):
        assert requests.request(method, link, data=b"x", timeout=10).status_code == status
    assert requests.get(link, headers={"Range": "bytes=1-3"}, timeout=10).content == b"irs"


@pytest.fixture
def link(port, model_id):
    """A link to ``first``."""
    (found,) = (
        file["url"]
        for file in get(port, f"http://127.0.0.1:{port}{MODELS}/{model_id}").json()["model"]["file_list"]
        if file["path"] == "lora_adapters/a"
    )
    return found


def test_a_link_answers_head(port, link):
    """llama.cpp, wget --spider and aria2 ask that first; S3's signature is of a GET."""
    head, got = requests.head(link, timeout=10), requests.get(link, timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("Content-Length", "ETag", "Content-Type", "Accept-Ranges", "Last-Modified"):
        assert head.headers.get(name) == got.headers.get(name), name
    assert requests.head(link + "0", timeout=10).status_code == 403
    assert requests.head(link.replace("lora_adapters/a", "lora_adapters/none"), timeout=10).status_code in (403, 404)


@pytest.mark.parametrize(
    ("condition", "status", "content"),
    [("{etag}", 206, b"irs"), ('"other"', 412, None), ("Mon, 19 Feb 2024 10:00:00 GMT", 200, b"first")],
)
def test_a_part_is_of_the_file_that_if_range_names(port, link, condition, status, content):
    etag = requests.head(link, timeout=10).headers["ETag"]
    headers = {"Range": "bytes=1-3", "If-Range": condition.format(etag=etag)}
    answer = requests.get(link, headers=headers, timeout=10)
    assert answer.status_code == status
    assert content is None or answer.content == content


def test_what_the_store_says_of_origins_stays_with_it(port, link):
    answer = requests.get(link, headers={"Origin": "http://elsewhere.example"}, timeout=10)
    assert [name for name in answer.headers if name.lower().startswith("access-control-")] == []


@pytest.mark.parametrize(
    ("method", "path", "length", "words"),
    [
        ("PUT", "/api/v1/models/1/files/a", 500 * 2**20 + 1, "uploads"),
        ("PUT", "/api/v1/datasets/a", 500 * 2**20 + 1, "at most"),
        ("POST", "/api/v1/jobs", 8 * 2**20 + 1, "at most"),
        ("POST", "/api/models/a/b/preupload/main", 8 * 2**20 + 1, "at most"),
        ("POST", "/a/b.git/info/lfs/objects/batch", 8 * 2**20 + 1, "at most"),
        ("POST", "/api/models/a/b/commit/main", 64 * 2**20 + 1, "fewer files"),
        ("POST", "/api/v1/jobs", 10**30, ""),
    ],
)
def test_it_refuses_by_the_declared_length(port, method, path, length, words):
    """Whatever the service does; what that refuses midway reached clients as 503 one time in four."""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head.encode() + b"x" * 300_000)  # Caddy looks at so much before it answers
        answer = client.recv(65536).decode()
    assert answer.split()[1] == ("413" if words else "400")
    assert words in answer


def test_a_file_in_a_folder_may_be_as_large_as_one_outside(port, service_of_links):
    model = service_of_links.post(MODELS, json={"name": "Large", "base_model": "b"}).json()["ID"]
    for path in ("a.bin", "lora_adapters/a.bin", "lora_adapters/deeper/a.bin"):
        url = f"http://127.0.0.1:{port}{MODELS}/{model}/files/{path}"
        assert requests.put(url, data=bytes(9 * 2**20), timeout=60).status_code == 200
        head = f"PUT {MODELS}/{model}/files/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {501 * 2**20}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(head.encode() + b"x" * 300_000)
            assert client.recv(65536).split()[1] == b"413"


def test_a_chunked_body_that_is_too_large_is_413_every_time(port):
    def chunks():
        for _ in range(64):
            yield bytes(100_000)

    for _ in range(10):
        answer = requests.post(f"http://127.0.0.1:{port}{MODELS}", data=chunks(), timeout=30)
        assert answer.status_code == 415  # which is told before the body is read, too
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"http://127.0.0.1:{port}{MODELS}", data=chunks(), headers=headers, timeout=30)
        assert answer.status_code == 413


def test_a_link_of_a_repository_is_to_one_object_and_no_later_one(port, service_of_links):
    model = make_model(service_of_links)
    repo = service_of_links.get(f"{MODELS}/{model}").json()["model"]["repo_id"]
    said = requests.head(f"http://127.0.0.1:{port}/{repo}/resolve/main/a", timeout=10)
    link = said.headers["Location"]
    assert requests.get(link, timeout=10).content == b"first"
    url = f"{MODELS}/{model}"
    service_of_links.put(url, json={"status": "uploading"})
    service_of_links.put(f"{url}/files/lora_adapters/a", data=b"other")
    for headers in ({}, {"Range": "bytes=2-"}):
        assert requests.get(link, headers=headers, timeout=10).status_code == 412
    assert requests.get(link.replace("x-tunedeck-etag=", "x-tunedeck-etag=0"), timeout=10).status_code == 403
