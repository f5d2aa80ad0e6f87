"""The real server, by HTTP alone."""

from __future__ import annotations

import asyncio
import io
import json
import random
import socket
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from served import Server, serving

from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_runtime import Segmenter
from groupvit_runtime.serving.app import make_app
from groupvit_runtime.serving.metrics import Metrics
from groupvit_runtime.serving.options import ServingOptions

SAMPLE = DEMO_SAMPLE.read_bytes()
SCHEMA = Path(__file__).resolve().parents[3] / "runtimes" / "labels.schema.json"
WORDS = ["water", "grass", "red car", "sky"]
QUERY = [("labels", ",".join(WORDS))]
LIMITS = ("--max-bytes", "1000000", "--max-pixels", "1000000", "--max-labels", "32", "--vocabularies", "2")
TOKEN = "0123456789abcdef"


@pytest.fixture(scope="module")
def bundle(demo_bundles):
    return demo_bundles["openvino"]


@pytest.fixture(scope="module")
def server(bundle, tmp_path_factory):
    with serving(bundle, tmp_path_factory.mktemp("serve"), *LIMITS) as running:
        yield running


@pytest.fixture(scope="module")
def segmenter(bundle):
    return Segmenter.load(bundle)


@pytest.fixture(scope="module")
def expected(segmenter):
    return segmenter(SAMPLE, WORDS)


def labels_of(content: dict) -> np.ndarray:
    runs = content["runs"]
    return np.repeat(runs["labels"], runs["lengths"]).reshape(content["height"], content["width"])


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def multipart(*parts: tuple[str, bytes, str | None]) -> tuple[bytes, dict[str, str]]:
    out = b""
    for name, value, filename in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        head = f'--XX\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        out += head.encode() + value + b"\r\n"
    return out + b"--XX--\r\n", {"Content-Type": "multipart/form-data; boundary=XX"}


# Answers


def test_json_is_the_record_and_the_labels_as_runs(server, expected):
    answer = server.segment(SAMPLE, QUERY)
    content = answer.json()
    assert answer.status == 200 and answer.headers["content-type"] == "application/json"
    assert np.array_equal(labels_of(content), expected.labels)
    assert [entry["name"] for entry in content["classes"]] == list(expected.names)
    assert {entry["name"]: entry["score"] for entry in content["classes"]} == expected.scores
    jsonschema.validate(content, json.loads(SCHEMA.read_text()))


def test_png_is_the_label_map(server, expected):
    image = Image.open(io.BytesIO(server.segment(SAMPLE, QUERY, "image/png").body))
    assert image.mode == "P" and np.array_equal(np.asarray(image), expected.labels)


def test_jpeg_is_the_overlay(server, expected):
    image = Image.open(io.BytesIO(server.segment(SAMPLE, QUERY, "image/jpeg").body))
    overlay = expected.overlay()
    assert image.format == "JPEG" and image.size == overlay.size
    assert np.abs(np.asarray(image, float) - np.asarray(overlay, float)).mean() < 3


def test_a_form(server, segmenter):
    result = segmenter(SAMPLE, ["water", "sky"], threshold=0.5, negatives=["tree"])
    body, headers = multipart(
        ("label", b"water", None),
        ("image", SAMPLE, "photo.png"),
        ("label", b"sky", None),
        ("negative", b"tree", None),
        ("threshold", b"0.5", None),
    )
    content = server.ask("POST", "/segment", body, headers).json()
    assert content["unlabeled"] == 2 and content["negatives"] == ["tree"]
    assert np.array_equal(labels_of(content), result.labels)


def test_vocabularies(server, expected):
    def post(name: str, labels: list[str]):
        body = json.dumps({"name": name, "labels": labels}).encode()
        return server.ask("POST", "/vocabularies", body, {"Content-Type": "application/json"})

    assert server.segment(SAMPLE, [("vocabulary", "scene")]).status == 404
    assert post("scene", ["sky"]).status == 201
    assert post("scene", WORDS).status == 200
    assert server.ask("GET", "/vocabularies").json() == {"vocabularies": ["scene"]}
    answer = server.segment(SAMPLE, [("vocabulary", "scene")])
    assert np.array_equal(labels_of(answer.json()), expected.labels)
    assert post("other", ["sky", "water"]).status == 201
    full = post("third", ["sky"])
    assert full.status == 409 and "at most 2" in full.json()["expected"]
    for name in ("scene", "other"):
        assert server.ask("DELETE", f"/vocabularies/{name}").status == 204
    assert server.ask("DELETE", "/vocabularies/scene").status == 404
    for bad in (["nonsense"], ["sky"] * 33, [], ["sky", "sky"], [1]):
        assert post("bad", bad).status == 400, bad
    assert post("../bad", ["sky"]).status == 400


def test_requests_that_differ_are_computed_side_by_side(server, segmenter):
    draw = np.random.default_rng(0)
    cases = [
        (draw.integers(0, 256, (20 + 7 * i, 90 - 5 * i, 3), np.uint8), WORDS[: 2 + i % 3], threshold)
        for i in range(6)
        for threshold in (None, 0.4)
    ]

    def ask(case):
        image, words, threshold = case
        query = [("label", word) for word in words]
        query += [] if threshold is None else [("threshold", str(threshold))]
        return labels_of(server.segment(png(image), query).json())

    with ThreadPoolExecutor(len(cases)) as pool:
        answers = list(pool.map(ask, cases))
    for (image, words, threshold), labels in zip(cases, answers, strict=True):
        assert np.array_equal(labels, segmenter(image, words, threshold=threshold).labels)


def test_what_watches_and_describes_the_server(server):
    assert server.ask("GET", "/healthz").status == server.ask("GET", "/readyz").status == 200
    text = server.ask("GET", "/metrics").body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["groupvit_requests_inside"].samples[0].value == 0
    stages = {sample.labels.get("stage") for sample in families["groupvit_stage_seconds"].samples}
    assert {"read", "preprocess", "engine", "postprocess"} <= stages
    assert "process_resident_memory_bytes" in families
    schema = server.ask("GET", "/openapi.json").json()
    names = {parameter["name"] for parameter in schema["paths"]["/segment"]["post"]["parameters"]}
    assert {"label", "labels", "vocabulary", "threshold", "negative"} <= names
    page = server.ask("GET", "/docs").body.decode()
    # Nothing from elsewhere.
    assert "swagger" in page and "https://" not in page


# What is refused


def bomb() -> bytes:
    """A file of a few bytes that says it has 100,000 x 100,000 pixels."""
    data = bytearray(png(np.zeros((1, 1), np.uint8)))
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


MANY = [("label", f"water {number}") for number in range(10_000)]
REFUSED = {
    "no image": (b"", QUERY, {}, 400),
    "truncated": (SAMPLE[: len(SAMPLE) // 2], QUERY, {}, 400),
    "no format": (b"\x00" * 500, QUERY, {}, 400),
    "bomb": (bomb(), QUERY, {}, 413),
    "pixels": (png(np.zeros((1001, 1000), np.uint8)), QUERY, {}, 413),
    "bytes": (bytes(1_000_001), QUERY, {}, 413),
    "no words": (SAMPLE, [], {}, 400),
    "word unknown to the tokenizer": (SAMPLE, [("labels", "water,zeppelin")], {}, 400),
    "33 words": (SAMPLE, MANY[:33], {}, 400),
    "10,000 words": (SAMPLE, MANY, {}, 400),
    "10,000 words, commas": (SAMPLE, [("labels", ",".join(["water"] * 10_000))], {}, 400),
    "template": (SAMPLE, [*QUERY, ("template", "no place")], {}, 400),
    "background": (SAMPLE, [*QUERY, ("background_threshold", "0.5")], {}, 400),
    "json": (b'{"image": 1}', QUERY, {"Content-Type": "application/json"}, 415),
    "accept": (SAMPLE, QUERY, {"Accept": "text/html"}, 406),
    "form without boundary": (SAMPLE, QUERY, {"Content-Type": "multipart/form-data"}, 400),
    "form of nonsense": (SAMPLE, QUERY, {"Content-Type": "multipart/form-data; boundary=XX"}, 400),
    "form without an image": (*multipart(("label", b"sky", None)), 400),
    "form with two images": (*multipart(("image", SAMPLE, "a"), ("image", SAMPLE, "b")), 400),
    "form with 10,000 words": (
        *multipart(("image", SAMPLE, "a"), *[("label", b"sky", None)] * 10_000),
        400,
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, server):
    given = REFUSED[case]
    body, query, headers, status = given if len(given) == 4 else (given[0], QUERY, given[1], given[2])
    answer = server.segment(body, query, **headers)
    assert answer.status == status, answer.body
    content = answer.json()
    assert content.keys() == {"what", "got", "expected", "fix"} and content["what"]


@pytest.mark.parametrize(("path", "status"), [("/segment", 405), ("/../etc/passwd", 404)])
def test_what_is_not_there(path, status, server):
    answer = server.ask("GET", path)
    assert answer.status == status and answer.json()["what"]


def test_damage_of_any_kind_is_the_callers(server):
    """Files, parameters and headers changed at random: never 5xx, and the server goes on."""
    draw = random.Random(0)
    for _ in range(40):
        data = bytearray(SAMPLE)
        for _ in range(draw.choice([1, 20])):
            data[draw.randrange(len(data))] = draw.randrange(256)
        answer = server.segment(bytes(data[: draw.choice([len(data), draw.randrange(len(data))])]), QUERY)
        assert answer.status in (200, 400, 413), answer.body
    assert server.segment(SAMPLE, QUERY).status == 200


def test_neither_words_nor_images_are_in_the_log(server):
    server.segment(SAMPLE, [("labels", "water,unheardof")])
    text = server.log.read_text()
    assert "unheardof" not in text and "red car" not in text
    answered = [event for event in server.events() if event["event"] == "answered"]
    assert answered[-1].keys() == {
        "time", "level", "event", "request", "method", "route", "status", "seconds", "bytes"
    }  # fmt: skip


# Connections


def connection(server: Server) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=60)


def is_closed(connected: socket.socket) -> bool:
    try:
        while connected.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


def test_pages_of_other_sites_may_not_ask(server):
    own = f"http://{server.host}:{server.port}"
    headers = {"Content-Type": "text/plain", "Origin": "https://elsewhere.example"}
    refused = server.ask("POST", "/vocabularies", b'{"name": "p", "labels": ["sky"]}', headers)
    assert refused.status == 403 and refused.json()["fix"]
    assert server.ask("DELETE", "/vocabularies/p", headers={"Origin": "null"}).status == 403
    assert server.segment(SAMPLE, QUERY, Origin="null").status == 403
    assert server.segment(SAMPLE, QUERY, Origin=own).status == 200


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"x" * (1 << 20), id="one header"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"X: x\r\n" * (1 << 18), id="many headers"),
        pytest.param(b"GET /" + b"x" * (1 << 20), id="address"),
        pytest.param(b"\x16\x03\x01\x02\x00" * 100, id="TLS"),
    ],
)
def test_heads_without_end(head, server):
    """Answered 400 after 256 KiB, and the connection closed, or reset where more came."""
    with connection(server) as connected:
        try:
            connected.sendall(head)
            answer = connected.recv(12)
        except (ConnectionResetError, BrokenPipeError):
            answer = b""
        assert answer in (b"", b"HTTP/1.1 400")
        assert is_closed(connected)
    assert server.ask("GET", "/healthz").status == 200


def test_requests_that_lie_about_their_length(server):
    for lines in (
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: -1",
        b"Content-Length: 9" + b"9" * 99,
    ):
        with connection(server) as connected:
            connected.sendall(b"POST /segment HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n\r\n")
            assert connected.recv(12) == b"HTTP/1.1 400"
    with connection(server) as connected:
        connected.sendall(b"POST /segment HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n")
        # More than is allowed, and less than was said.
        connected.sendall(bytes(1_000_001))
        assert connected.recv(12) == b"HTTP/1.1 413"
        assert is_closed(connected)


@pytest.mark.parametrize("path", ["/segment", "/vocabularies"])
def test_bodies_that_do_not_come(path, segmenter):
    app = make_app(segmenter, ServingOptions(timeout=0.05), Metrics())
    scope = {
        "type": "http", "method": "POST", "path": path, "query_string": b"labels=sky", "headers": [],
        "http_version": "1.1", "scheme": "http", "root_path": "", "client": None, "server": ("a", 1),
    }  # fmt: skip
    sent = []

    async def receive():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 408


# Who may ask, how many, and the end


def test_token_queue_and_an_end_in_order(bundle, tmp_path):
    options = ("--queue", "6", "--workers", "1", "--batch", "1")
    with serving(bundle, tmp_path, *options, GROUPVIT_TOKEN=TOKEN) as server:
        assert server.ask("GET", "/healthz").status == 200
        for headers in ({}, {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": TOKEN}):
            # Answered although nobody reads the body; of a longer one the connection may break before.
            refused = server.segment(bytes(50_000), QUERY, **headers)
            assert refused.status == 401 and refused.headers["www-authenticate"] == "Bearer"
        assert server.ask("GET", "/metrics").status == server.ask("GET", "/docs").status == 401

        statuses = load_until_refused(server, callers=12)
        assert server.process.wait(60) == 0
        events = server.events()
    assert statuses.count(429) > 0 and set(statuses) == {200, 429}
    answered = [event for event in events if event["event"] == "answered" and event["status"] == 200]
    segmented = [event for event in answered if event["route"] == "/segment"]
    # Whatever the server took, a caller got.
    assert statuses.count(200) == len(segmented)
    assert events[-1]["event"] == "ended"
    assert TOKEN not in (tmp_path / "serve.log").read_text()


def load_until_refused(server: Server, callers: int) -> list[int]:
    """Callers that ask until nobody answers; SIGTERM comes in the middle."""
    statuses: list[int] = []
    lock = threading.Lock()
    many = threading.Event()

    def call() -> None:
        while True:
            try:
                answer = server.segment(SAMPLE, QUERY, "image/png", Authorization=f"Bearer {TOKEN}")
            except (OSError, HTTPException):
                return
            with lock:
                statuses.append(answer.status)
                if statuses.count(200) >= 20 and 429 in statuses:
                    many.set()

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    assert many.wait(60)
    server.process.terminate()
    for thread in threads:
        thread.join(60)
    return statuses
