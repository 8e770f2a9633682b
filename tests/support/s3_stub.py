"""A tiny HTTP server that answers as S3 servers do when something is wrong, in an order that a test sets."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer."""

    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False  # close the connection in the middle of the body


@dataclass(slots=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Stub:
    """The server's address, what it answers next (the last answer stays), and what it was asked."""

    endpoint: str
    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)


def error(status: int, code: str, extra: str = "", message: str = "a message", **headers: str) -> Answer:
    """Return an S3 error answer; underscores in header names stand for hyphens."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>{extra}</Error>"
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


EMPTY_LISTING = Answer(body="<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")


@contextmanager
def run_stub(answers: Sequence[Answer]) -> Iterator[Stub]:
    """Serve *answers* on a free port until the block ends."""
    stub = Stub("", list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline()
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            stub.requests.append(Request(self.command, self.path, dict(self.headers.items()), body))
            self.reply(stub.answers.pop(0) if len(stub.answers) > 1 else stub.answers[0])

        def reply(self, answer: Answer) -> None:
            names = {name.lower() for name in answer.headers}
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "date" not in names:
                self.send_header("Date", self.date_time_string())
            content = answer.body.encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content[: len(content) // 2] if answer.cut else content)
            self.wfile.flush()
            self.close_connection = self.close_connection or answer.cut

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    stub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
