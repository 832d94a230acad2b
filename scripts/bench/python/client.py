"""The published client, doing what people do with it.

    python client.py URL SECONDS rgb|bgr

With bgr each picture is brought to that by OpenCV, on one thread. Prints as JSON, in ns:
when each picture came and when the run was over (Times, End), and what the
process spent on the pictures behind the first ten (Frames, CPU).
"""

import asyncio
import json
import resource
import sys
import time

from reactor_sdk import Reactor

START_FRAMES = 10


def used_cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return round((used.ru_utime + used.ru_stime) * 1e9)


class Watcher:
    def __init__(self, use):
        self.use = use
        self.times = []
        self.begun = self.cpu = 0
        self.first = asyncio.Event()
        self.loop = asyncio.get_running_loop()

    def saw(self, frame):
        self.times.append(time.monotonic_ns())
        self.use(frame)
        if len(self.times) == 1:
            self.loop.call_soon_threadsafe(self.first.set)
        if len(self.times) == START_FRAMES:
            self.begun = used_cpu()
        self.cpu = used_cpu()


def converter(colours):
    if colours == "rgb":
        return lambda frame: None
    import cv2

    cv2.setNumThreads(1)
    return lambda frame: cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)


async def main(url, seconds, colours):
    watcher = Watcher(converter(colours))
    reactor = Reactor("street", api_url=url, local=True)
    await reactor.connect()
    try:
        reactor.track("main_video").on_frame(watcher.saw)
        await asyncio.wait_for(watcher.first.wait(), 20)
        await asyncio.sleep(float(seconds))
        end = time.monotonic_ns()
        times = [t for t in watcher.times if t <= end]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(
            json.dumps(
                {
                    "Frames": max(len(times) - START_FRAMES, 0),
                    "CPU": watcher.cpu - watcher.begun,
                    "Memory": memory,
                    "Times": times,
                    "End": end,
                }
            ),
            flush=True,
        )
    finally:
        await reactor.disconnect()


asyncio.run(main(*sys.argv[1:]))
