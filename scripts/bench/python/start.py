"""How long the official Python client takes from connect() to its first picture.

    python start.py URL

Prints {"seconds": …}.
"""

import asyncio
import json
import sys
import time

from reactor_sdk import Reactor

PATIENCE = 30  # seconds


async def main(url):
    begun = time.monotonic()
    reactor = Reactor("bench", api_url=url, local=True)
    shown = asyncio.get_running_loop().create_future()

    async def saw(*_):
        if not shown.done():
            shown.set_result(time.monotonic() - begun)

    await reactor.connect()
    try:
        for track in reactor.tracks:
            if (track.kind.value, track.direction.value) == ("video", "recvonly"):
                track.on_frame(saw)
        took = await asyncio.wait_for(shown, PATIENCE)
    finally:
        await reactor.disconnect()
    print(json.dumps({"seconds": took}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
