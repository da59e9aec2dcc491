"""The stream through nginx, with the settings that docs/behind-nginx.md names and with none."""

import re
import shutil

import pytest

from run.parts import ROOT, Part
from run.settings import free_port
from tests.logs.faults.load import create_job, open_raw, push_one_by_one, read_until

DOCUMENTED = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "behind-nginx.md").read_text(), re.S)[1]
DEFAULTS = "gzip on; gzip_types text/plain application/json; location / { proxy_pass http://127.0.0.1:8080; }"


@pytest.fixture(params=[DOCUMENTED, DEFAULTS], ids=["documented", "defaults"])
def nginx(request, start, logs, tmp_path):
    program = shutil.which("nginx")
    assert program, "nginx is missing: make tools"
    port = free_port()
    server = request.param.replace("http://127.0.0.1:8080", logs.url)
    paths = " ".join(
        f"{name}_temp_path {tmp_path}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port}; {server} }} }}\n"
    )
    start(Part("nginx", [program, "-p", str(tmp_path), "-c", str(config)], ready_url=f"tcp://127.0.0.1:{port}"))
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True, scope="session")
def test_each_line_comes_as_it_is_written(nginx, logs):
    job = create_job(nginx)
    raw = open_raw(nginx, f"/api/v1/jobs/{job}/logs", "Accept-Encoding: gzip")
    head = read_until(raw, b"retry: 3000\n:\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-encoding" not in head.lower()

    push_one_by_one(logs.url, job, raw, 5)
    raw.close()
