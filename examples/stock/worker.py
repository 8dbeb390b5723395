"""A plain queue subscriber in any version: python worker.py 1.0.0"""

import asyncio
import json
import os
import signal
import sys
from base64 import urlsafe_b64encode

import nats


async def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else "1.0.0"
    url, creds = os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), os.environ.get("NATS_CREDS")
    nc = await nats.connect(url, **({"user_credentials": creds} if creds else {}))

    async def answer(msg):
        await msg.respond(json.dumps({"got": msg.data.decode(), "version": version}).encode())

    v = urlsafe_b64encode(version.encode()).decode().rstrip("=")
    for name in ("get", "take"):
        await nc.subscribe(f"stock.{v}.{name}", queue="stock", cb=answer)

    await nc.flush()
    print(f"stock {version} answers", flush=True)
    ended = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    await ended.wait()
    await nc.drain()


asyncio.run(main())
