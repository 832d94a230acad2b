"""The published client, sending pictures to a model that sends them back.

    python loop.py URL RAW WIDTH HEIGHT COUNT

RAW is a file of BGR pictures. Prints as JSON how long each took, in ns.
"""

import asyncio
import json
import sys
import time

import numpy as np
from reactor_sdk import Reactor


async def main(url, raw, width, height, count):
    frames = np.fromfile(raw, np.uint8).reshape(-1, int(height), int(width), 3)
    frames = [np.ascontiguousarray(f[:, :, ::-1]) for f in frames]
    sent, took = {}, []

    def saw(frame, frame_id, timestamp_us, user_data):
        begun = sent.pop(bytes(user_data or b""), None)
        if begun is not None:
            took.append(time.monotonic_ns() - begun)

    reactor = Reactor("echo", api_url=url, local=True)
    await reactor.connect()
    try:
        reactor.track("main_video").on_frame(saw)
        track = reactor.track("webcam")
        await track.publish()
        begun = time.monotonic()
        for n in range(int(count)):
            await asyncio.sleep(max(0.0, begun + n / 30 - time.monotonic()))
            key = str(n).encode()
            sent[key] = time.monotonic_ns()
            track.push_frame(frames[n % len(frames)], user_data=key)
        await asyncio.sleep(1)
        print(json.dumps(took[30:]), flush=True)
    finally:
        await reactor.disconnect()


asyncio.run(main(*sys.argv[1:]))
