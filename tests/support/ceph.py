"""Ceph's S3 gateway over one monitor and one OSD in memory: the tests' other S3 server, beside SeaweedFS."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from minio import Minio

from run.parts import Part, StoreServer
from run.settings import free_port

BUCKET = "models"
_OSD_BYTES = 8 * 2**30

# Without authentication between its parts, which all listen on loopback alone. Deleted objects are collected at once:
# by default they would fill the memory for hours.
_CONFIG = """
[global]
fsid = {fsid}
mon_host = v2:127.0.0.1:{port}/0
mon_initial_members = a
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
ms_mon_client_mode = crc
run_dir = {folder}
crash_dir = {folder}
log_file = {folder}/$name.log
admin_socket = {folder}/$name.asok
pid_file = {folder}/$name.pid
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 5
[mon.a]
mon_data = {folder}/mon
[osd.0]
osd_data = {folder}/osd
osd_objectstore = memstore
memstore_device_bytes = {size}
[client.rgw]
rgw_data = {folder}/rgw
rgw_frontends = beast endpoint={endpoint}
"""


def start_ceph(folder: Path, server: StoreServer, start: Callable[[Part], object]) -> None:
    """Start a cluster below ``folder`` with the bucket, and with the two identities of SeaweedFS under `make run`."""
    fsid, port = str(uuid.uuid4()), free_port()
    for name in ("mon", "osd", "rgw"):
        (folder / name).mkdir()
    host = server.endpoint.removeprefix("http://")
    config = folder / "ceph.conf"
    config.write_text(_CONFIG.format(fsid=fsid, port=port, folder=folder, size=_OSD_BYTES, endpoint=host))
    config_option = f"--conf={config}"

    def run(program: str, *arguments: str) -> None:
        subprocess.run([program, config_option, *arguments], check=True, capture_output=True, timeout=60)

    def start_part(program: str, name: str, ready_url: str) -> None:
        start(Part(name, [program, config_option, "--name", name, "--foreground"], ready_url=ready_url))

    monitors = f"{folder}/monmap"
    run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", f"[v2:127.0.0.1:{port}/0]", monitors)
    run("ceph-mon", "--id=a", "--mkfs", f"--monmap={monitors}")
    start_part("ceph-mon", "mon.a", f"tcp://127.0.0.1:{port}")
    disk = str(uuid.uuid4())
    run("ceph", "osd", "new", disk)
    run("ceph-osd", "--id=0", "--mkfs", f"--osd-uuid={disk}")
    start_part("ceph-osd", "osd.0", "alive:")
    for name, key, secret in (
        ("services", server.access_key, server.secret_key),
        ("parts", server.parts_access_key, server.parts_secret_key),
    ):
        user = [f"--uid={name}", f"--display-name={name}", f"--access-key={key}", f"--secret-key={secret}"]
        run("radosgw-admin", "--name=client.rgw", "user", "create", *user)
    start_part("radosgw", "client.rgw", f"{server.endpoint}/")
    client = Minio(host, server.access_key, server.secret_key, secure=False)
    client.make_bucket(BUCKET)
    client.set_bucket_policy(BUCKET, json.dumps(_parts_may_write()))


def _parts_may_write() -> dict[str, object]:
    """The identity that signs upload parts can neither read nor list."""
    allowed = {
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam:::user/parts"]},
        "Action": ["s3:PutObject"],
        "Resource": [f"arn:aws:s3:::{BUCKET}/*"],
    }
    return {"Version": "2012-10-17", "Statement": [allowed]}
