"""A TCP proxy before a server that notes each HTTP request, and that can play a server which is gone.

Bytes pass unchanged, so that signatures hold. Only for HTTP without TLS.
"""

import re
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

PIECE_BYTES = 256 << 10
LONGEST_LINE = 2048
REQUEST = re.compile(rb"(GET|PUT|POST|HEAD|DELETE) (/\S*) HTTP/1\.1\r\n")


class RequestsProxy:
    """The proxy's address and what went through it; safe for several threads."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname, parts.port)
        self._lock = threading.Lock()
        self._seen: list[tuple[str, str]] = []
        self._open: set[socket.socket] = set()
        self._is_gone = False
        self.on_request: Callable[[str, str], None] = lambda method, path: None
        self.endpoint = ""

    def take(self) -> Counter[str]:
        """Return how many requests of each method came since the last call."""
        with self._lock:
            seen, self._seen = self._seen, []
        return Counter(method for method, _ in seen)

    def vanish(self) -> None:
        """Break every connection and refuse new ones until :meth:`return_`."""
        with self._lock:
            self._is_gone = True
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def return_(self) -> None:
        """Be there again."""
        with self._lock:
            self._is_gone = False

    def serve(self, client: socket.socket) -> None:
        """Copy in both directions until one side ends."""
        if self._is_gone:
            return
        with socket.create_connection(self._upstream) as server:
            with self._lock:
                self._open |= {client, server}
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server, self._note)
            back.join()
            with self._lock:
                self._open -= {client, server}

    def _note(self, tail: bytes, piece: bytes) -> bytes:
        """Note the requests that begin in *tail* and *piece*, and return what the next piece may complete."""
        data, end = tail + piece, 0
        for match in REQUEST.finditer(data):
            found = (match[1].decode(), match[2].decode())
            end = match.end()
            with self._lock:
                self._seen.append(found)
            self.on_request(*found)
        return data[max(end, len(data) - LONGEST_LINE) :]

    def _copy(
        self,
        source: socket.socket,
        target: socket.socket,
        note: Callable[[bytes, bytes], bytes] = lambda tail, piece: b"",
    ) -> None:
        tail = b""
        with suppress(OSError):
            while piece := source.recv(PIECE_BYTES):
                tail = note(tail, piece)
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@contextmanager
def run_requests_proxy(upstream: str) -> Iterator[RequestsProxy]:
    """Run a proxy to *upstream*, a URL without a path, in threads of this process until the block ends."""
    proxy = RequestsProxy(upstream)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            proxy.serve(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.vanish()
            server.shutdown()
            thread.join()
