"""A ramp with a bar that moves across it, as bright as it is told.

What commands do is visible in the next picture, and written on it: a client that
looks for the effect of a command in the picture can be compared with that.
"""

from typing import Literal

import numpy as np
from reactor_runtime import (
    ApplicationError,
    CommandError,
    InputField,
    MessageField,
    ModelMessage,
    Output,
    ReactorApp,
    TrackPayload,
    UploadedFile,
    Video,
    event,
    session_started,
)

SIZES = {"480p": (640, 480), "720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
Resolution = Literal["480p", "720p", "1080p", "2160p"]


class BrightnessSet(ModelMessage):
    brightness: float = MessageField(description="What the picture is set to now.")


class ImageSet(ModelMessage):
    filename: str = MessageField(description="The name the file was uploaded with.")


class BrightnessSnapshot(ModelMessage):
    brightness: float = MessageField(description="What the picture is set to.")
    paused: bool = MessageField(description="Whether nothing is generated.")
    resolution: str = MessageField(description="How large the picture is.")
    text: str = MessageField(description="What was set as text.")


class Picture(Output):
    main_video: Video


class Brightness(ReactorApp):
    fps = 30

    def load(self, config_path):
        self.reset()

    def reset(self):
        self.brightness = 1.0
        self.paused = False
        self.resolution = "480p"
        self.text = ""
        self.step = 0

    @session_started
    async def begin(self):
        self.reset()

    @event(name="get_state", description="Say how everything is set.")
    async def get_state(self) -> BrightnessSnapshot:
        return BrightnessSnapshot(
            brightness=self.brightness, paused=self.paused, resolution=self.resolution, text=self.text
        )

    @event(name="set_brightness", description="Brighten or darken the picture.")
    async def set_brightness(self, brightness: float = InputField(default=1.0, ge=0.0, le=2.0)) -> BrightnessSet:
        self.brightness = brightness
        return BrightnessSet(brightness=brightness)

    @event(name="set_paused", description="Stop generating, or go on.")
    async def set_paused(self, paused: bool = InputField(default=False)):
        self.paused = paused

    @event(name="set_resolution", description="Choose the size of the picture.")
    async def set_resolution(self, resolution: Resolution = InputField(default="480p")):
        self.resolution = resolution

    @event(name="set_text", description="Remember a text.")
    async def set_text(self, text: str = InputField(default="", max_length=200)):
        self.text = text

    @event(name="set_image", description="Take an image file.")
    async def set_image(self, image: UploadedFile) -> ImageSet:
        if not image.mime_type.startswith("image/"):
            raise CommandError("unsupported_media", f"{image.name} is not an image.")
        return ImageSet(filename=image.name)

    async def process_input(self):
        if self.paused:
            raise ApplicationError("paused")
        return self.brightness, SIZES[self.resolution]

    def generate(self, wanted):
        brightness, (width, height) = wanted
        frame = np.zeros((height, width, 3), np.float32)
        frame[:, :, 0] = np.linspace(0, 128, height)[:, None]
        columns = (4 * self.step + np.arange(width // 20)) % width
        frame[:, columns, 1] = 128
        return brightness, np.clip(frame * brightness, 0, 255).astype(np.uint8)

    async def process_output(self, outcome):
        if outcome.error is not None:
            raise outcome.error
        self.step += 1
        brightness, frame = outcome.result
        return Picture(main_video=TrackPayload(frame, metadata={"step": self.step, "brightness": brightness}))
