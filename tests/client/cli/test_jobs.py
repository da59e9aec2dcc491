"""`tunedeck jobs`."""

import pytest


def test_it_works(tunedeck):
    made = tunedeck(
        "jobs", "create", "--dataset", 901, "--name", "Nightly [bold]", "--set", "epochs=3", "--set", "note=a=b"
    )
    job = made.out.strip()
    assert tunedeck("jobs", "show", job, "--json").json["configuration"] == {"epochs": 3, "note": "a=b"}

    listed = tunedeck("jobs", "list", "--dataset", 901).out.splitlines()
    assert listed[0].split() == ["ID", "STATUS", "NAME", "DATASET", "PROGRESS", "KERNEL", "CREATED"]
    assert listed[1].startswith(f"{job} ")
    assert "Nightly [bold]" in listed[1]
    assert "Nightly [bold]" in tunedeck("jobs", "show", job).out

    assert tunedeck("jobs", "cancel", job).out == f"job {job} is cancelled\n"
    assert tunedeck("jobs", "list", "--search", "NIGHTLY", "--status", "cancelled", "--json").json[0]["ID"] == int(job)


def test_what_json_has_no_number_for_is_text(tunedeck):
    made = tunedeck("jobs", "create", "--set", "eps=NaN", "--set", "lr=1e-4", "--json").json
    assert made["configuration"] == {"eps": "NaN", "lr": 1e-4}


def test_lists_longer_than_a_page_are_whole(tunedeck, system):
    for _ in range(103):
        system.request("POST", "/jobs", json={"dataset_id": 902})
    assert len(tunedeck("jobs", "list", "--dataset", 902, "--limit", 102, "--json").json) == 102
    assert len(tunedeck("jobs", "list", "--dataset", 902, "-n", 500, "--json").json) == 103
    assert tunedeck("jobs", "list", "--dataset", 903).out.split() == [
        *("ID", "STATUS", "NAME", "DATASET", "PROGRESS", "KERNEL", "CREATED"),
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("jobs", "show", "x"), "integer"),
        (("jobs", "create", "--set", "nothing"), "KEY=VALUE"),
        (("jobs", "list", "--limit", "0"), "1"),
        (("jobs", "list", "--nonsense"), "nonsense"),
    ],
)
def test_it_rejects_wrong_arguments(elsewhere, arguments, why):
    assert why in elsewhere(*arguments, code=2).err


def test_what_the_service_refuses_is_one_line_with_the_requests_id(tunedeck, new_job, end_job):
    job = new_job()
    end_job(job)
    for arguments in (("jobs", "cancel", job), ("jobs", "show", 999_999), ("jobs", "list", "--status", "odd")):
        done = tunedeck(*arguments, code=3)
        assert done.err.count("\n") == 1
        assert done.err.startswith("tunedeck: ")
        assert "(request " in done.err
        assert done.out == ""
