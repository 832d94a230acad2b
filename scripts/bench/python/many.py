"""The published client with several sessions at once.

    python many.py URL SESSIONS

Prints as JSON the frames per second of the slowest of them (FPS), what the process
spent in a second (CPU, ns), and the most memory that it held (Memory, bytes).
"""

import asyncio
import json
import resource
import sys
import time

from reactor_sdk import Reactor

SETTLE, WATCH, PATIENCE = 2, 10, 30  # seconds


def used_cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Session:
    def __init__(self, url):
        self.reactor = Reactor("bench", api_key="bench", api_url=url)
        self.frames = 0

    async def connect(self):
        await self.reactor.connect()
        self.reactor.track("main_video").on_frame(self.saw)

    def saw(self, frame):
        self.frames += 1


async def main(url, count):
    sessions = [Session(url) for _ in range(int(count))]
    try:
        await asyncio.gather(*(s.connect() for s in sessions))
        patient = time.monotonic() + PATIENCE
        while not all(s.frames for s in sessions) and time.monotonic() < patient:
            await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE)
        before, cpu, begun = [s.frames for s in sessions], used_cpu(), time.monotonic()
        await asyncio.sleep(WATCH)
        took = time.monotonic() - begun
        fps = min((s.frames - b) / took for s, b in zip(sessions, before))
        cpu = round((used_cpu() - cpu) / took * 1e9)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"FPS": fps, "CPU": cpu, "Memory": memory}), flush=True)
    finally:
        await asyncio.gather(*(s.reactor.disconnect() for s in sessions))


asyncio.run(main(*sys.argv[1:]))
