"""A stage of reactorpipe in Python.

    from reactorpipe_stage import track, run

    @track.on_frame
    def on_frame(frame):            # H×W×3, uint8, RGB
        if frame.mean() < 40:
            track.event("dark")

    run()

It needs Python 3.8 or newer and nothing besides; with NumPy installed, frames
are NumPy arrays, else memoryviews of the same shape. reactorpipe puts this file
on the program's path. What is printed goes to reactorpipe's log.
"""

import asyncio
import inspect
import json
import mmap
import os
import socket
import sys
import threading
import traceback

try:
    import numpy
except ImportError:
    numpy = None

__all__ = ["Drop", "Frame", "Track", "run", "track"]

SOCKET, MEMORY = 3, 4  # file descriptors that the program is started with


class Drop(Exception):
    """Raised in a handler, it ends the frame."""


class Frame:
    """What is known of a frame besides its pixels."""

    def __init__(self, question):
        self.seq = question["seq"]
        self.reset = question.get("reset", "")  # why it does not follow the last
        self.info = question["frame"]  # reactorpipe's JSON form of it
        picture = question.get("picture") or {}
        self.width, self.height = picture.get("width", 0), picture.get("height", 0)
        self.stride = picture.get("stride", 0)

    @property
    def pts(self):
        """The presentation time in seconds."""
        return self.info["pts_ms"] / 1000

    @property
    def frame_id(self):
        return self.info.get("frame_id", 0)

    @property
    def timestamp_us(self):
        return round(self.info["pts_ms"] * 1000)

    @property
    def user_data(self):
        return self.info.get("user_data")

    @property
    def message(self):
        """The model's message that a frame of a message source is: (type, data)."""
        return (self.info["type"], self.info.get("data") or {}) if "type" in self.info else None

    def get(self, stage, kind, default=None):
        """What another stage set: frame.get("people", "detections", [])."""
        return self.info.get("annotations", {}).get(stage, {}).get(kind, default)


class Track:
    """The pictures that come and what is said of them."""

    def __init__(self):
        self._handler = None
        self._shared = False
        self._answer = {}
        self._socket = None
        self._sending = threading.Lock()
        self._trouble = ""  # the last traceback
        self.hello = {}
        self.frame = None  # the Frame that the handler is called with

    def on_frame(self, handler=None, *, shared=False):
        """Has handler called for each frame, with as many as it takes of the
        picture, its frame_id, timestamp_us and user_data; the picture is None
        for a stage with `pixels: none`.

        With `writes: true` the picture that it returns, or else the one that it
        was given and may have changed, becomes the frame's.

        The picture is the handler's to keep. With shared=True it is not copied,
        and shows the next frame as soon as the handler has returned.
        """
        if handler is None:
            return lambda h: self.on_frame(h, shared=shared)
        self._handler, self._shared = handler, shared
        return handler

    def detect(self, x, y, width, height, label="", score=1.0, track_id=0, keypoints=None):
        """Adds a box in pixels of the picture. keypoints are (x, y, name, score)."""
        found = {"box": _box(x, y, width, height), "label": str(label), "score": float(score)}
        if track_id:
            found["track_id"] = int(track_id)
        if keypoints:
            found["keypoints"] = [
                {"x": float(k[0]), "y": float(k[1]), "name": k[2] if len(k) > 2 else "", "score": float(k[3]) if len(k) > 3 else 1.0}
                for k in keypoints
            ]
        self._list("detections").append(found)

    def nothing(self, kind="detections"):
        """Says that there is nothing of a kind, which is more than not to say."""
        self._list(kind)

    def event(self, name, **data):
        """Adds something that happened at this frame."""
        self._list("events").append({"name": name, "data": data})

    def text(self, text, x=0, y=0, width=0, height=0, score=1.0):
        """Adds something that was read."""
        self._list("texts").append({"text": text, "box": _box(x, y, width, height), "score": float(score)})

    def measure(self, **numbers):
        """Sets numbers by name."""
        self._answer.setdefault("measurements", {}).update((k, float(v)) for k, v in numbers.items())

    def command(self, command, **data):
        """Has a command sent to the model, at any time and from any thread."""
        self._send(_line({"type": "command", "command": command, "data": data}))

    def drop(self):
        """Ends the frame."""
        raise Drop

    def run(self):
        """Calls the handler for one frame after the other, until reactorpipe
        has no more."""
        if self._handler is None:
            raise RuntimeError("no handler: put @track.on_frame above a function")
        if "REACTORPIPE_STAGE" not in os.environ:
            raise RuntimeError("this program is a stage: run it by a pipeline with a stage of type exec")
        self._socket = socket.socket(fileno=SOCKET)
        _keep_from_children(SOCKET)
        lines = self._socket.makefile("rb")
        memory = None
        loop = asyncio.new_event_loop()
        arity = _arity(self._handler)
        try:
            for line in lines:
                said = json.loads(line)
                if said["type"] == "hello":
                    self.hello = said
                    if said["pixels"] != "none":
                        memory = mmap.mmap(MEMORY, said["memory"])
                        _keep_from_children(MEMORY)
                        if numpy is None:
                            print("frames are memoryviews, for %s has no NumPy" % sys.executable, file=sys.stderr)
                    self._send(_line({"type": "ready"}))
                elif said["type"] == "frame":
                    self._send(self._work(said, memory, loop, arity))
        except (BrokenPipeError, ConnectionResetError):
            pass  # reactorpipe is gone
        finally:
            loop.close()

    def _work(self, question, memory, loop, arity):
        self.frame = frame = Frame(question)
        self._answer = answer = {"type": "result", "seq": frame.seq}
        try:
            picture = self._picture(frame, memory)
            args = (picture, frame.frame_id, frame.timestamp_us, frame.user_data)
            returned = self._handler(*args[:arity])
            if inspect.isawaitable(returned):
                returned = loop.run_until_complete(returned)
            if self.hello["writes"]:
                self._write(frame, memory, picture if returned is None else returned)
                answer["pixels"] = True
            return _line(answer)
        except Drop:
            return _line({"type": "result", "seq": frame.seq, "drop": True})
        except Exception as e:
            trouble = traceback.format_exc()
            if trouble != self._trouble:  # each frame may have the same
                print(trouble, end="", file=sys.stderr)
            self._trouble = trouble
            return _line({"type": "result", "seq": frame.seq, "error": "%s: %s" % (type(e).__name__, e)})

    def _picture(self, frame, memory):
        if memory is None:
            return None
        picture = _view(frame, memory)
        if self._shared:
            return picture
        if numpy is not None:
            return picture.copy()
        return memoryview(bytearray(picture.cast("B"))).cast("B", picture.shape)

    def _write(self, frame, memory, picture):
        if self._shared and isinstance(picture, memoryview if numpy is None else numpy.ndarray):
            if _same(picture, memory, frame):
                return
        if tuple(picture.shape) != (frame.height, frame.width, 3):
            raise ValueError("a picture of shape %s does not take the place of one of %s" % (picture.shape, (frame.height, frame.width, 3)))
        if numpy is not None:
            _view(frame, memory)[:] = picture
        else:
            memory[: frame.height * frame.stride] = bytes(picture)

    def _list(self, kind):
        return self._answer.setdefault(kind, [])

    def _send(self, line):
        if self._socket is None:
            raise RuntimeError("run() has not begun")
        with self._sending:
            self._socket.sendall(line)


def _view(frame, memory):
    shape = (frame.height, frame.width, 3)
    if numpy is not None:
        return numpy.frombuffer(memory, numpy.uint8, frame.height * frame.stride).reshape(shape)
    return memoryview(memory)[: frame.height * frame.stride].cast("B", shape)


def _same(picture, memory, frame):
    """Says that picture is the shared memory itself."""
    if numpy is None:
        return picture.obj is memory
    at = _view(frame, memory).__array_interface__
    return picture.__array_interface__["data"][0] == at["data"][0] and picture.shape == at["shape"] and picture.flags.c_contiguous


def _box(x, y, width, height):
    return {"x": float(x), "y": float(y), "width": float(width), "height": float(height)}


def _line(message):
    return json.dumps(message, separators=(",", ":"), allow_nan=False, default=_number).encode() + b"\n"


def _number(value):
    """JSON for NumPy's numbers and arrays."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError("%r has no JSON" % type(value).__name__)


def _arity(handler):
    """How many arguments a handler takes, 4 at most."""
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return 1
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return 4
    return min(4, sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters))


def _keep_from_children(fd):
    os.set_inheritable(fd, False)


track = Track()


def run():
    """Runs the stage: see Track.run."""
    track.run()


if __name__ == "__main__":
    sys.exit(__doc__)
