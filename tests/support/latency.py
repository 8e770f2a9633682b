"""A TCP proxy that delays what the client sends, so that each request takes N ms longer.

Bytes are not throttled: they travel through a delay line, as over a longer wire. In a test use
:func:`run_latency_proxy`; beside a benchmark run it as a process of its own, so that it does not share the
measured program's interpreter: ``python -m tests.support.latency HOST:PORT MILLISECONDS`` prints the
address it listens on.
"""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PIECE_BYTES = 256 << 10
WAITING_PIECES = 256  # at most 64 MiB on the wire: 20 ms at 3 GB/s


@contextmanager
def run_latency_proxy(endpoint: str, milliseconds: float) -> Iterator[str]:
    """Yield the URL of a proxy, in a thread of this process, to *endpoint* (a URL without a path)."""
    scheme, _, address = endpoint.partition("://")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    started = asyncio.run_coroutine_threadsafe(start_proxy(address, milliseconds / 1000), loop)
    server = started.result()
    try:
        yield f"{scheme}://{proxy_address(server)}"
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def start_proxy(address: str, delay_seconds: float) -> asyncio.Server:
    """Listen on a free port of this machine and forward to *address*."""
    host, _, port = address.rpartition(":")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.close()
            return
        with suppress(asyncio.CancelledError):
            await asyncio.gather(
                _forward(reader, upstream_writer, delay_seconds), _forward(upstream_reader, writer, 0)
            )

    return await asyncio.start_server(serve, "127.0.0.1", 0, limit=PIECE_BYTES)


def proxy_address(server: asyncio.Server) -> str:
    """Return host and port that the proxy listens on."""
    host, port = server.sockets[0].getsockname()[:2]
    return f"{host}:{port}"


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_seconds: float) -> None:
    """Copy until the end, each piece *delay_seconds* after it came; the order stays."""
    loop = asyncio.get_running_loop()
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(WAITING_PIECES)

    async def deliver() -> None:
        while True:
            due, piece = await line.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not piece:
                return
            writer.write(piece)
            await writer.drain()

    delivery = asyncio.create_task(deliver())
    try:
        while piece := await reader.read(PIECE_BYTES):
            await line.put((loop.time() + delay_seconds, piece))
        await line.put((loop.time() + delay_seconds, b""))
        await delivery
    except OSError:
        pass
    finally:
        delivery.cancel()
        writer.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


async def _main(address: str, milliseconds: float) -> None:
    server = await start_proxy(address, milliseconds / 1000)
    sys.stdout.write(f"{proxy_address(server)}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main(sys.argv[1], float(sys.argv[2])))
