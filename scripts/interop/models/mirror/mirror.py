"""A model that says back what reaches it.

Its picture is a lamp on the left and what it sees on the right, so that a
client can tell from pixels whether its command was obeyed and whether the
track it publishes arrived. Its commands cover what a command can come to:
a reply, an acknowledgement, a refusal, a broadcast, a file.
"""

import numpy as np
from reactor_runtime import (
    ApplicationError,
    CommandError,
    InputField,
    MediaInput,
    MessageField,
    ModelMessage,
    Output,
    ReactorApp,
    ReadMode,
    TrackPayload,
    UploadedFile,
    Video,
    event,
    session_started,
)

WIDTH, HEIGHT = 640, 360
HALF = WIDTH // 2
LAMP = 100  # of 255, at brightness 1
MESSAGE_EVERY = 15  # frames


class BrightnessSet(ModelMessage):
    brightness: float = MessageField(description="What the lamp is set to now.")


class Seen(ModelMessage):
    frames: int = MessageField(description="Frames of the source track since the session began.")
    width: int = MessageField(description="Width of the last of them.")
    height: int = MessageField(description="Height of the last of them.")
    mean: float = MessageField(description="Mean of all its samples, 0 to 255.")
    metadata: str = MessageField(description="What its sender attached to it.")


class ImageSet(ModelMessage):
    filename: str = MessageField(description="The name the file was uploaded with.")
    size: int = MessageField(description="Its size in bytes.")


class Announcement(ModelMessage):
    text: str = MessageField(description="What was announced.")


class State(ModelMessage):
    step: int = MessageField(description="Frames generated since the session began.")
    brightness: float = MessageField(description="What the lamp is set to.")
    source_frames: int = MessageField(description="Frames of the source track so far.")


class Picture(Output):
    main_video: Video


class Eyes(MediaInput):
    source: Video


class Mirror(ReactorApp):
    fps = 30
    media: Eyes

    def load(self, config_path):
        self.reset()

    def reset(self):
        self.brightness = 1.0
        self.step = 0
        self.seen = Seen(frames=0, width=0, height=0, mean=0.0, metadata="")
        self.paused = False
        self.view = np.zeros((HEIGHT, WIDTH - HALF, 3), np.uint8)

    @session_started
    async def begin(self):
        self.reset()

    @event(name="set_brightness", description="Turn the lamp up or down.")
    async def set_brightness(self, brightness: float = InputField(ge=0.0, le=2.0)) -> BrightnessSet:
        self.brightness = brightness
        return BrightnessSet(brightness=brightness)

    @event(name="set_paused", description="Stop generating, or go on.")
    async def set_paused(self, paused: bool = InputField(default=False)):
        self.paused = paused

    @event(name="look", description="Say what came in on the source track.")
    async def look(self) -> Seen:
        return self.seen

    @event(name="announce", description="Tell everybody connected.")
    async def announce(self, text: str = InputField(max_length=200)):
        await self.send(Announcement(text=text))

    @event(name="refuse", description="Refuse, whatever is asked.")
    async def refuse(self, reason: str = InputField(default="not today", max_length=200)):
        raise CommandError("refused", reason)

    @event(name="set_image", description="Take an image file.")
    async def set_image(self, image: UploadedFile) -> ImageSet:
        if not image.mime_type.startswith("image/"):
            raise CommandError("unsupported_media", f"{image.name} is not an image.")
        return ImageSet(filename=image.name, size=image.size)

    async def process_input(self):
        self.read_source()
        if self.paused:
            raise ApplicationError("paused")
        return self.brightness

    def read_source(self):
        while frames := self.media.source.try_read(1, mode=ReadMode.FIFO):
            pixels = frames[0].data
            height, width = pixels.shape[:2]
            self.seen = Seen(
                frames=self.seen.frames + 1,
                width=width,
                height=height,
                mean=round(float(pixels.mean()), 2),
                metadata=(frames[0].metadata or b"").decode(),
            )
            rows = np.arange(HEIGHT) * height // HEIGHT
            columns = np.arange(WIDTH - HALF) * width // (WIDTH - HALF)
            self.view = pixels[rows[:, None], columns]

    def generate(self, brightness):
        frame = np.empty((HEIGHT, WIDTH, 3), np.uint8)
        frame[:, :HALF] = min(255, round(LAMP * brightness))
        frame[:, HALF:] = self.view
        return frame

    async def process_output(self, outcome):
        if outcome.error is not None:
            raise outcome.error
        self.step += 1
        if self.step % MESSAGE_EVERY == 0:
            await self.send(
                State(
                    step=self.step,
                    brightness=self.brightness,
                    source_frames=self.seen.frames,
                )
            )
        return Picture(main_video=TrackPayload(outcome.result, metadata={"step": self.step}))
