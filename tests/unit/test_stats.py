import contextlib
import http.server
import json
import os
import socketserver
import threading

import pytest

from hola_plugins import stats
from hola_plugins.stats import SnapshotError, read_lines, read_snapshot


def test_last_line_wins(tmp_path):
    path = tmp_path / "hsd.jsonl"
    path.write_text('{"calls": 1}\n{"calls": 2}\n')
    assert read_snapshot(str(path)) == {"calls": 2}


@pytest.mark.parametrize("end", ['{"calls": 3, "tok', '{"calls": 3, "tok\n'])
def test_truncated_last_line_is_passed_over(tmp_path, end):
    path = tmp_path / "hsd.jsonl"
    path.write_text('{"calls": 1}\n{"calls": 2}\n' + end)
    assert read_snapshot(str(path)) == {"calls": 2}


@pytest.mark.parametrize("text", ["", "\n", "{", "[1]\n", "no\njson\n"])
def test_files_without_snapshot(tmp_path, text):
    path = tmp_path / "hsd.jsonl"
    path.write_text(text)
    with pytest.raises(SnapshotError, match=r"must .*, got"):
        read_snapshot(str(path))


@pytest.mark.parametrize("source", ["/no/such/file", "ftp://host", "file:///etc/hostname", "http://"])
def test_bad_sources(source):
    with pytest.raises(SnapshotError, match=r"must be .*, got"):
        read_snapshot(source)


def test_a_pipe_or_device_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for source in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(SnapshotError, match="is a folder, pipe or device"):
            read_snapshot(str(source))


def test_streams():
    assert list(read_lines(['{"calls": 1}\n', "\n", '{"calls": 2}\n', '{"ca'])) == [
        {"calls": 1},
        {"calls": 2},
    ]
    with pytest.raises(SnapshotError, match="got nothing"):
        list(read_lines([]))


@pytest.fixture
def server(socket_enabled):
    """A server that answers `/collective_rpc` like vLLM; set `status` and `answer`, read `asked`."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.asked.append((self.path, body))
            self.send_response(self.server.status)
            self.end_headers()
            self.wfile.write(self.server.answer)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.status, server.answer, server.asked = 200, b"", []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def address(server):
    return f"http://127.0.0.1:{server.server_port}"


def test_server_gives_the_first_worker_that_has_a_proposer(server):
    server.answer = json.dumps({"results": [None, {"calls": 7}, {"calls": 8}]}).encode()
    assert read_snapshot(address(server)) == {"calls": 7}
    assert server.asked == [("/collective_rpc", {"method": "hola_hsd_stats"})]


def test_this_machine_is_asked_past_a_proxy_and_another_through_it(server, monkeypatch):
    server.answer = json.dumps({"results": [{"calls": 7}]}).encode()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for host in ("127.0.0.1", "localhost"):
        assert read_snapshot(f"http://{host}:{server.server_port}") == {"calls": 7}
    monkeypatch.setenv("http_proxy", address(server))
    assert read_snapshot("http://inference.example:8000") == {"calls": 7}
    assert server.asked[-1][0] == "http://inference.example:8000/collective_rpc"


def test_the_address_that_clients_take_will_do(server):
    server.answer = json.dumps({"results": [{"calls": 7}]}).encode()
    for path in ("/v1", "/v1/"):
        assert read_snapshot(address(server) + path) == {"calls": 7}
    assert {path for path, _ in server.asked} == {"/collective_rpc"}


@pytest.mark.parametrize(
    ("status", "answer", "remedy"),
    [
        (404, b"", "VLLM_SERVER_DEV_MODE=1"),
        (500, b"", "worker-extension-cls"),
        (200, b"", "HSD as its proposer"),
        (200, b'{"results": [null]}', "HSD as its proposer"),
        (200, b"<html>", "is this a vLLM server"),
    ],
)
def test_server_errors_have_remedies(server, status, answer, remedy):
    server.status, server.answer = status, answer
    with pytest.raises(SnapshotError, match=remedy):
        read_snapshot(address(server))


def test_no_server(server):
    port = server.server_port
    server.shutdown()
    server.server_close()
    with pytest.raises(SnapshotError, match="check host and port"):
        read_snapshot(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"X"),
        (b"", b"H"),
    ],
    ids=["body", "chunks", "header", "status"],
)
def test_a_server_that_answers_drop_by_drop_is_given_up(socket_enabled, monkeypatch, head, drop):
    monkeypatch.setattr(stats, "_TIMEOUT", 0.5)
    given_up = threading.Event()

    class Dripping(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(head)
            with contextlib.suppress(OSError):
                while not given_up.wait(0.05):
                    self.request.sendall(drop)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(SnapshotError, match=r"got no answer .*: check host and port"):
            read_snapshot(f"http://127.0.0.1:{server.server_address[1]}")
        given_up.set()
        server.shutdown()


def test_of_a_reason_of_a_stranger_only_the_beginning_is_repeated(socket_enabled):
    class Steering(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(b"HTTP/1.1 500 \x1b[2J" + b"A" * 50_000 + b"\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Steering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(SnapshotError, match="got 500") as refusal:
            read_snapshot(f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert len(str(refusal.value)) < 500
    assert "\x1b" not in str(refusal.value)
