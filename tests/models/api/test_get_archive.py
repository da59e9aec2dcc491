"""GET /api/v1/models/:id/download/model-:id-:day.zip, and what both URLs make of conditions and ranges"""

import io
import random
import zipfile

import pytest

from tests.support.waiting import wait_until

MODELS = "/api/v1/models"
FILES = {
    "lora_adapters/adapter_model.bin": bytes(range(256)) * 2,
    "lora_adapters/leer": b"",
    "gguf/größe 🚀.gguf": b"PK\x03\x04PK\x07\x08",
    "zu letzt": b"z",
}
DIFFERING = {"Date", "X-Request-ID", "Transfer-Encoding", "Connection", "Keep-Alive"}


def file_name(model):
    return f"model-{model['ID']}-{model['created_at'][:10].replace('-', '')}.zip"


def urls_of(model):
    """The two URLs of the archive, the named one first."""
    chunked = f"{MODELS}/{model['ID']}/download"
    return f"{chunked}/{file_name(model)}", chunked


def pinned(models, url):
    """The address of the same bytes that never has other ones."""
    return models.head(url).headers["Content-Location"]


def lasting(answer):
    return {name: value for name, value in answer.headers.items() if name not in DIFFERING}


@pytest.fixture
def unknown(bucket, create):
    """Create a ready model of an object that did not come through the service."""

    def unknown(content=b"x"):
        path = create()["storage_path"]
        bucket.put(f"{path}/x", io.BytesIO(content))
        return create(storage_path=path, status="ready")

    return unknown


def test_it_works(models, ready):
    model = ready(FILES)
    url, chunked = urls_of(model)
    answer = models.get(url)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"] == f"attachment; filename={file_name(model)}"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert "Transfer-Encoding" not in answer.headers
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"].startswith('"')
    other = models.get(chunked)
    assert other.content == answer.content
    assert other.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in other.headers
    digest = answer.headers["ETag"][1:13]
    same = models.get(f"{chunked}/{file_name(model).replace('.zip', f'-{digest}.zip')}")
    assert (same.status_code, same.content) == (200, answer.content)
    assert same.headers["Content-Length"] == str(len(answer.content))
    assert same.url.endswith(answer.headers["Content-Location"])
    assert other.headers["Content-Location"] == answer.headers["Content-Location"]
    assert other.headers["ETag"] == answer.headers["ETag"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    unpacked = {info.filename.removeprefix(f"{model['ID']}/"): archive.read(info) for info in archive.infolist()}
    assert {path: content for path, content in unpacked.items() if path in FILES} == FILES
    assert set(unpacked) - set(FILES) == {"README.md", "metrics.json", "SHA256SUMS"}


def test_it_resumes_at_every_byte(models, ready):
    url, chunked = (f"{url}?include=d" for url in urls_of(ready({"d/a": b"first", "d/leer": b"", "d/ö": b"PK\5\6"})))
    answer = models.get(url)
    whole, etag = answer.content, answer.headers["ETag"]
    url = pinned(models, url)
    for start in range(len(whole)):
        part = models.get(url, headers={"Range": f"bytes={start}-"})
        assert (part.status_code, part.content) == (206, whole[start:]), start
        assert part.headers["Content-Range"] == f"bytes {start}-{len(whole) - 1}/{len(whole)}"
        assert part.headers["Content-Length"] == str(len(whole) - start)
        assert part.headers["ETag"] == etag
    chosen = random.Random(4)
    for _ in range(100):
        start, last = sorted((chosen.randrange(len(whole)), chosen.randrange(len(whole))))
        part = models.get(chunked, headers={"Range": f"bytes={start}-{last}", "If-Range": etag})
        assert (part.status_code, part.content) == (206, whole[start : last + 1]), (start, last)
        assert part.headers["Content-Length"] == str(last + 1 - start)
        assert "Transfer-Encoding" not in part.headers


def test_ranges_across_files_of_several_chunks(models, ready):
    contents = {f"f{number}": random.Random(number).randbytes(700_000) for number in range(4)}
    url, _ = urls_of(ready(contents))
    whole, url = models.get(url).content, pinned(models, url)
    cuts = [0, 1, 36, 262_144, 262_180, 700_035, 700_036, 700_071, 1_500_000, 2_799_999, len(whole) - 700, len(whole)]
    for start in cuts:
        for stop in cuts:
            if start < stop:
                part = models.get(url, headers={"Range": f"bytes={start}-{stop - 1}"})
                assert (part.status_code, part.content == whole[start:stop]) == (206, True), (start, stop)


@pytest.mark.parametrize("which", [0, 1, "pinned"])
def test_the_table_of_headers(models, ready, which):
    model = ready(FILES)
    url = pinned(models, urls_of(model)[0]) if which == "pinned" else urls_of(model)[which]
    part, none = (206, 416) if which == "pinned" else (428, 428)
    whole = models.get(url)
    etag, size = whole.headers["ETag"], len(whole.content)
    cases = [
        ({"Range": "bytes=0-0"}, part, slice(0, 1)),
        ({"Range": "bytes=-22"}, part, slice(size - 22, size)),
        ({"Range": f"bytes={size - 1}-{'9' * 20}"}, part, slice(size - 1, size)),
        ({"Range": f"bytes=-{'9' * 20}"}, part, slice(0, size)),
        ({"Range": "bytes=0-", "If-Range": etag}, 206, slice(0, size)),
        ({"Range": "bytes=5-9", "If-Match": etag, "If-None-Match": '"x"'}, 206, slice(5, 10)),
        ({"Range": "bytes=5-9", "If-Range": f"W/{etag}"}, 200, slice(0, size)),
        ({"Range": "bytes=5-9", "If-Range": '"other"'}, 200, slice(0, size)),
        ({"Range": "bytes=5-9", "If-Range": "Fri, 31 Dec 9999 23:59:59 GMT"}, 200, slice(0, size)),
        ({"Range": "bytes=5-2"}, 200, slice(0, size)),
        ({"Range": "bytes=0-1,4-5"}, 200, slice(0, size)),
        ({"Range": "items=0-5"}, 200, slice(0, size)),
        ({"Range": "abc"}, 200, slice(0, size)),
        ({"If-Match": "*", "If-None-Match": f'"{etag[2:]}'}, 200, slice(0, size)),
        ({"If-None-Match": f'"x", W/{etag}'}, 304, None),
        ({"If-None-Match": "*", "Range": "bytes=0-1"}, 304, None),
        ({"If-Match": f"W/{etag}"}, 412, None),
        ({"If-Match": '"other"', "If-None-Match": etag, "Range": "bytes=0-1"}, 412, None),
        ({"Range": "bytes=0-"}, 206 if which == "pinned" else 200, slice(0, size)),
        ({"Range": f"bytes={size}-"}, none, None),
        ({"Range": f"bytes={size + 1}-"}, none, None),
        ({"Range": f"bytes={size}-", "If-Range": etag}, 416, None),
        ({"Range": "bytes=-0", "If-Range": etag}, 416, None),
    ]
    for headers, status, expected in cases:
        answer = models.get(url, headers=headers)
        assert answer.status_code == status, headers
        assert answer.headers["ETag"] == etag
        assert answer.headers["Accept-Ranges"] == "bytes"
        if status == 428:
            assert whole.headers["Content-Location"] in answer.json()["message"]
        elif expected is not None:
            assert answer.content == whole.content[expected], headers
        if status in (200, 206):
            assert answer.headers["Content-Disposition"] == whole.headers["Content-Disposition"]
            assert answer.headers["Content-Type"] == "application/zip"
        assert answer.headers.get("Content-Range") == {
            206: expected and f"bytes {expected.start}-{expected.stop - 1}/{size}",
            416: f"bytes */{size}",
        }.get(status)
        if status == 304:
            assert answer.content == b""
        if status >= 400:
            assert (answer.json()["code"], bool(answer.json()["message"])) == (status, True)
        head = models.head(url, headers={name: value for name, value in headers.items() if name != "Range"})
        assert head.status_code == (status if status in (304, 412) else 200)
        assert head.content == b""


@pytest.mark.parametrize("which", [0, 1])
def test_head_has_the_headers_of_get_and_reads_nothing(own, which):
    model = own.model()
    for path in ("a", "leer"):
        own.call("PUT", f"/{model['ID']}/files/{path}", data=path[1:])
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    url = urls_of(model)[which].removeprefix(MODELS)
    got = own.call("GET", url)
    own.pipe.cut()
    head = own.call("HEAD", url)
    ranged = own.call("HEAD", url, headers={"Range": "bytes=5000000-"})
    assert (head.status_code, ranged.status_code) == (200, 200)
    assert lasting(head) == lasting(ranged) == lasting(got)


def test_include_has_an_archive_of_its_own(models, ready):
    url, chunked = urls_of(ready(FILES))
    etags = set()
    for params in ({}, {"include": "lora_adapters"}, {"include": "gguf"}, {"include": "README.md"}):
        answer = models.get(url, params=params)
        etags.add(answer.headers["ETag"])
        assert len(answer.content) == int(answer.headers["Content-Length"])
        assert models.get(chunked, params=params).content == answer.content
        part = models.get(answer.headers["Content-Location"], headers={"Range": "bytes=40-"})
        assert (part.status_code, part.content) == (206, answer.content[40:])
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert len(etags) == 4


def test_only_what_it_contains_decides(models, ready):
    model = ready(FILES)
    url, _ = urls_of(model)
    before = models.get(url)
    changes = {"name": "Other", "description": "x" * 50, "training_metrics": {"loss": 1}, "eval_results": {"f1": 1}}
    assert models.put(f"{MODELS}/{model['ID']}", json=changes).status_code == 200
    again = models.get(url)
    assert again.headers["ETag"] != before.headers["ETag"]  # the model card has the new name
    for status in ("uploading", "ready"):
        assert models.put(f"{MODELS}/{model['ID']}", json={"status": status}).status_code == 200
    assert models.get(url).content == again.content
    stale = models.get(url, headers={"Range": "bytes=5-", "If-Range": before.headers["ETag"]})
    assert (stale.status_code, stale.content) == (200, again.content)
    assert models.get(url, headers={"If-Match": before.headers["ETag"]}).status_code == 412
    gone = models.get(before.headers["Content-Location"], headers={"Range": "bytes=5-"})
    assert gone.status_code == 410
    assert again.headers["Content-Location"].rsplit("/", 1)[1] in gone.json()["message"]


def test_until_every_checksum_is_known(models, unknown):
    url, chunked = urls_of(unknown())
    for answer in (models.get(url), models.head(url), models.get(url, headers={"Range": "bytes=0-"})):
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert models.get(chunked, headers={"Range": "bytes=5-"}).status_code == 428
    for headers in ({}, {"Range": "bytes=0-"}, {"Range": "bytes=0-5", "If-Range": '"x"'}, {"If-None-Match": '"x"'}):
        answer = models.get(chunked, headers=headers)
        assert answer.status_code == 200
        assert answer.headers["Accept-Ranges"] == "none"
        assert "ETag" not in answer.headers
        assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert models.get(chunked, headers={"If-Match": '"x"'}).status_code == 412
    part = models.get(url, params={"include": "README.md"})
    assert (part.status_code, part.headers["Accept-Ranges"]) == (200, "bytes")


def test_once_they_are_known(own, bucket):
    model = own.model()
    bucket.put(f"{model['storage_path']}/x", io.BytesIO(b"content"))
    own.call("PUT", f"/{model['ID']}", json={"status": "ready"})
    url = urls_of(model)[0].removeprefix(MODELS)
    assert own.call("GET", url).status_code == 503
    with own.checksums():
        wait_until(lambda: own.call("HEAD", url).status_code == 200)
    archive = zipfile.ZipFile(io.BytesIO(own.call("GET", url).content))
    assert archive.testzip() is None
    assert archive.read(f"{model['ID']}/x") == b"content"
    assert f"{model['ID']}/SHA256SUMS" in archive.namelist()


@pytest.mark.parametrize(
    "name",
    [
        "{stem}-.zip",
        "{stem}-0123456789a.zip",
        "{stem}-0123456789AB.zip",
        "{stem}-0123456789abc.zip",
        "model.zip",
        "model-1-20240219.zip",
        "",
        "a/b.zip",
        "%00",
        "..%2Fx",
        "{name}x",
        "{NAME}",
    ],
)
def test_it_rejects_another_name(models, ready, name):
    model = ready({"a": b"1"})
    right = file_name(model)
    url = f"{MODELS}/{model['ID']}/download/{name.format(name=right, NAME=right.upper(), stem=right[:-4])}"
    answer = models.get(url)
    assert (answer.status_code, answer.json()["code"]) == (404, 404)
    assert models.head(url).status_code == 404


def test_it_rejects_what_the_other_url_rejects(models, create, upload):
    model = create()
    upload(model["ID"], {"a": b"1"})
    assert models.get(urls_of(model)[0]).status_code == 409
    assert models.get(urls_of(create(status="ready"))[0]).status_code == 404
    assert models.get(f"{MODELS}/999999/download/model-999999-20240219.zip").status_code == 404
    answer = models.delete(urls_of(model)[0])
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_several_includes_and_excludes(models, ready):
    model = ready(FILES)
    url, chunked = urls_of(model)

    def names(query):
        answer = models.get(f"{url}?{query}")
        assert models.get(f"{chunked}?{query}").content == answer.content
        assert models.get(answer.headers["Content-Location"]).content == answer.content
        start = len(f"{model['ID']}/")
        return {name[start:] for name in zipfile.ZipFile(io.BytesIO(answer.content)).namelist()}

    generated = {"README.md", "metrics.json", "SHA256SUMS"}
    adapter = {"lora_adapters/adapter_model.bin", "lora_adapters/leer"}
    assert names("include=lora_adapters&include=zu%20letzt") == {*adapter, "zu letzt"}
    assert names("exclude=*.gguf&exclude=lora_adapters") == {*generated, "zu letzt"}
    assert names("include=lora_adapters&exclude=lora_adapters/*.bin") == {"lora_adapters/leer"}
    assert models.get(f"{url}?include=gguf&exclude=*").status_code == 404
    assert models.get(f"{url}?exclude=").status_code == 422
