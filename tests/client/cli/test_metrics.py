"""`tunedeck metrics`."""


def test_it_works(tunedeck, new_job, system):
    job = new_job()
    points = [{"step": step, "values": {"loss": 1 / (step + 1)}} for step in range(50)]
    system.request("POST", f"/jobs/{job}/metrics", json={"metrics": [*points, {"step": 50, "values": {"loss": "NaN"}}]})

    table = tunedeck("metrics", job).out.splitlines()
    assert table[0].split() == ["NAME", "POINTS", "STEPS", "MIN", "MAX", "LAST"]
    assert table[1].split() == ["loss", "51", "0-50", "0.02", "1", "nan"]
    chart = tunedeck("metrics", job, "--name", "loss").out
    assert chart.startswith("loss: last nan, min 0.02, max 1\n")
    assert "×" in chart
    assert chart != tunedeck("metrics", job, "--name", "loss", "--log").out
    series = tunedeck("metrics", job, "--json").json["series"]
    assert [len(curve["points"]) for curve in series] == [51]


def test_a_curve_is_read_out_of_the_log(tunedeck, new_job):
    job = new_job(*[f"{{'loss': {5 - n / 100}, 'step': {n}}}" for n in range(100)])
    assert tunedeck("metrics", job, "--name", "loss").out.startswith("loss: last 4.01")


def test_a_job_without_metrics_is_told(tunedeck, new_job):
    job = new_job()
    for arguments in ((), ("--name", "loss")):
        done = tunedeck("metrics", job, *arguments)
        assert (done.out, "metric" in done.err) == ("", True)
    assert tunedeck("metrics", job, "--json").json["series"] == []


def test_a_name_that_no_metric_has_is_told_with_those_there_are(tunedeck, new_job, system):
    job = new_job()
    system.request("POST", f"/jobs/{job}/metrics", json={"metrics": [{"step": 1, "values": {"loss": 1, "lr": 0.1}}]})
    done = tunedeck("metrics", job, "--name", "los")
    assert (done.out, done.err) == ("", f"job {job} has no such metric; it has loss, lr\n")
    assert tunedeck("metrics", job, "--name", "los", "--json").json["series"] == []


def test_a_job_that_is_not_there_has_none(tunedeck):
    assert "no job" in tunedeck("metrics", 999_999, code=3).err
