"""A NATS micro service in any version: python service.py 1.0.0"""

import asyncio
import json
import os
import signal
import sys

import nats
import nats.micro


async def main() -> None:
    version = sys.argv[1] if len(sys.argv) > 1 else "1.0.0"
    url, creds = os.environ.get("NATS_URL", "nats://127.0.0.1:4222"), os.environ.get("NATS_CREDS")
    nc = await nats.connect(url, **({"user_credentials": creds} if creds else {}))
    service = await nats.micro.add_service(nc, name="orders", version=version)

    async def endpoint(name, answer):
        """Listens where this version alone does, and says where callers ask."""

        async def handler(request):
            try:
                reply = {**answer(json.loads(request.data)), "version": version}
            except (ValueError, AttributeError):
                await request.respond_error("400", "the request is no JSON object")
            else:
                await request.respond(json.dumps(reply).encode())

        await service.add_endpoint(
            name=name,
            subject=f"orders.v{version.split('.')[0]}.{name}",
            metadata={"lattice.source": f"orders.{name}"},
            handler=handler,
        )

    stored = {}

    def put(order):
        stored[order.get("id")] = order
        return {"stored": len(stored)}

    await endpoint("get", lambda order: {"order": stored.get(order.get("id"))})
    await endpoint("put", put)
    await nc.flush()
    print(f"orders {version} answers", flush=True)

    ended = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, ended.set)
    await ended.wait()
    await nc.drain()


asyncio.run(main())
