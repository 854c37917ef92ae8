"""An interface engine that is not ours: python-hl7's MLLP receiver in a thread."""

import asyncio
import contextlib
import ssl
import threading

import hl7.mllp


@contextlib.contextmanager
def engine(handle, **settings):
    """python-hl7's receiver; ``handle(message)`` gives the answer, ``None`` to hang up instead."""
    heard, ready, found = [], threading.Event(), {}

    async def peer(reader, writer):
        found["peers"].append((asyncio.current_task(), writer))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                message = await reader.readmessage()
                heard.append(str(message))
                if (said := handle(message)) is None:
                    break
                writer.writemessage(said)
                await writer.drain()
        writer.close()

    async def serve():
        found.update(loop=asyncio.get_running_loop(), stop=asyncio.Event(), peers=[])
        server = await hl7.mllp.start_hl7_server(peer, "127.0.0.1", 0, limit=2**24, encoding="utf-8", **settings)
        found["port"] = server.sockets[0].getsockname()[1]
        ready.set()
        await found["stop"].wait()
        server.close()
        for task, writer in found["peers"]:
            task.cancel()
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    yield found["port"], heard
    found["loop"].call_soon_threadsafe(found["stop"].set)
    thread.join(10)
