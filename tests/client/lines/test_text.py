"""The pure functions."""

from tunedeck_client.lines import text


def test_it_cleans_what_the_service_refuses():
    assert text.clean("a\0b\ud800c\udfff") == "a\ufffdb\ufffdc\ufffd"
    assert text.clean("\ud83d\ude00 \U0001f600") == "\U0001f600 \U0001f600"
    assert text.clean("plain\r\n\u2028 é") == "plain\r\n\u2028 é"


def test_it_splits_a_long_message_without_losing_a_character():
    message = "€\U0001f600a" * 100_000
    parts = text.split(message)
    assert len(parts) == 4
    assert all(len(part.encode()) <= 256 * 1024 for part in parts)
    assert [part[:6] for part in parts] == [f"({n}/4) " for n in range(1, 5)]
    assert "".join(part[6:] for part in parts) == message


def test_it_leaves_a_message_at_the_limit_whole():
    assert text.split("x" * 256 * 1024) == ["x" * 256 * 1024]
    assert len(text.split("x" * (256 * 1024 + 1))) == 2


def test_it_prints_times_in_utc_with_microseconds():
    assert text.rfc3339(1708338900.25) == "2024-02-19T10:35:00.250000Z"
    assert text.rfc3339(1708338900) == "2024-02-19T10:35:00.000000Z"
    assert text.rfc3339(float("nan")).endswith("Z")
