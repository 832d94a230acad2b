"""A model that says what it hears, and turns white while it is loud."""

import numpy as np
from reactor_runtime import Audio, MediaInput, Output, ReactorApp, ReadMode, TrackPayload, Video

RATE, FPS = 48_000, 30
SLICE = RATE // FPS  # samples to a picture
LOUD = 3000


class Performance(Output):
    main_video: Video
    main_audio: Audio


class Ears(MediaInput):
    mic: Audio


class Parrot(ReactorApp):
    fps = FPS
    media: Ears

    def load(self, config_path):
        self.heard = np.zeros(0, np.int16)

    async def process_input(self):
        while frames := self.media.mic.try_read(1, mode=ReadMode.FIFO):
            self.heard = np.concatenate([self.heard, np.asarray(frames[0].data, np.int16).reshape(-1)])
        said, self.heard = self.heard[:SLICE], self.heard[SLICE : SLICE + RATE]
        return np.pad(said, (0, SLICE - len(said)))

    def generate(self, said):
        luma = 235 if np.abs(said.astype(np.int32)).max() > LOUD else 16
        return np.full((120, 160, 3), luma, np.uint8), said

    async def process_output(self, outcome):
        if outcome.error is not None:
            raise outcome.error
        picture, said = outcome.result
        return Performance(main_video=TrackPayload(picture), main_audio=TrackPayload(said.reshape(1, -1)))
