"""A model that sends back each picture that it gets, with what was attached to it."""

from reactor_runtime import MediaInput, Output, ReactorApp, ReadMode, TrackPayload, Video


class Picture(Output):
    main_video: Video


class Eyes(MediaInput):
    webcam: Video


class Echo(ReactorApp):
    fps = 30
    media: Eyes

    def load(self, config_path):
        pass

    async def process_input(self):
        frames = await self.media.webcam.read(1, mode=ReadMode.LATEST)
        return frames[0]

    def generate(self, frame):
        return frame

    async def process_output(self, outcome):
        if outcome.error is not None:
            raise outcome.error
        frame = outcome.result
        return Picture(main_video=TrackPayload(frame.data, metadata=frame.metadata))
