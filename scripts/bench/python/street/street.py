"""A model that shows a clip over and over, 1280×720 at 30 frames a second.

STREET names a file of raw RGB pictures.
"""

import os

import numpy as np
from reactor_runtime import Output, ReactorApp, TrackPayload, Video

WIDTH, HEIGHT = 1280, 720


class Picture(Output):
    main_video: Video


class Street(ReactorApp):
    fps = 30

    def load(self, config_path):
        self.frames = np.memmap(os.environ["STREET"], np.uint8, "r").reshape(-1, HEIGHT, WIDTH, 3)
        self.shown = 0

    async def process_input(self):
        return self.shown

    def generate(self, index):
        return np.array(self.frames[index % len(self.frames)])

    async def process_output(self, outcome):
        if outcome.error is not None:
            raise outcome.error
        self.shown += 1
        return Picture(main_video=TrackPayload(outcome.result))
