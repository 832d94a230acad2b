"""The official Python client, made to do what a script says.

    python client.py URL MODEL [streamed|stepped] < script.json

The script is a list of steps:

    {"command": NAME, "data": {…}}
    {"receive": N}                                      wait for N more frames
    {"publish": TRACK, "frames": N}
    {"message": TYPE, "at_least": {FIELD: NUMBER}}      wait for such a one
    {"upload": NAME, "mime_type": TYPE, "size": N, "command": NAME, "argument": NAME}
    {"reconnect": true}
    {"clip": SECONDS}                                   or "all"; fetched into one file
    {"stats": true}
    {"schema": true}
    {"pause": TRACK} {"resume": TRACK}
    {"turn": {"state": {…}, "commands": […]}, "frames": {TRACK: N}}   one step of a stepped session

One line of JSON per step comes out, and a first and a last one for the session.
"""

import asyncio
import json
import sys

import numpy as np
from reactor_sdk import Reactor, ReactorError

PATIENCE = 20  # seconds for a step


class Client:
    def __init__(self, url, model, generation):
        self.reactor = Reactor(model, api_url=url, local=True, generation=generation)
        self.frames = 0
        self.last = None
        self.user_data = None
        self.messages = []
        self.turned = asyncio.Condition()
        self.reactor.on_message(self.heard)

    async def heard(self, message):
        async with self.turned:
            self.messages.append(message)
            self.turned.notify_all()

    async def saw(self, frame, frame_id, timestamp_us, user_data):
        async with self.turned:
            self.frames += 1
            self.last = frame
            self.user_data = user_data
            self.turned.notify_all()

    async def until(self, condition):
        async with self.turned:
            await asyncio.wait_for(self.turned.wait_for(condition), PATIENCE)

    async def command(self, name, data):
        try:
            return {"reply": await self.reactor.send_command(name, data)}
        except ReactorError as refusal:
            return {"refused": str(refusal)}

    async def receive(self, count):
        wanted = self.frames + count
        await self.until(lambda: self.frames >= wanted)
        height, width = self.last.shape[:2]
        return {
            "frames": self.frames,
            "width": width,
            "height": height,
            "left": round(float(self.last[:, : width // 2].mean()), 2),
            "right": round(float(self.last[:, width // 2 :].mean()), 2),
            "user_data": self.user_data.decode() if self.user_data else None,
        }

    async def publish(self, name, count):
        track = self.reactor.track(name)
        await track.publish()
        for shade in range(count):
            track.push_frame(np.full((240, 320, 3), 200, np.uint8), user_data=b"%d" % shade)
            await asyncio.sleep(1 / 30)
        return {"published": count}

    async def upload(self, step):
        content = bytes(step["size"])
        reference = await self.reactor.upload_file(
            content, name=step["upload"], mime_type=step["mime_type"]
        )
        return await self.command(step["command"], {step["argument"]: reference})

    async def message(self, kind, at_least):
        def wanted(message):
            data = message.get("data", {})
            return message.get("type") == kind and all(data[k] >= v for k, v in at_least.items())

        await self.until(lambda: any(map(wanted, self.messages)))
        return {"message": next(filter(wanted, self.messages))}

    async def clip(self, seconds):
        progress = []
        options = {"on_progress": lambda *done: progress.append(done), "ready_timeout": PATIENCE}
        try:
            if seconds == "all":
                content = await self.reactor.download_recording(**options)
            else:
                content = await self.reactor.download_clip(seconds, **options)
        except ReactorError as refusal:
            return {"refused": str(refusal)}
        return {"bytes": len(content), "head": content[4:8].decode(), "segments": len(progress)}

    async def stats(self):
        stats = await self.reactor.get_stats()
        return {"received": stats.packets_received, "rtt": stats.rtt_ms}

    async def turn(self, request, inputs):
        for name, count in inputs.items():
            track = self.reactor.track(name)
            await track.publish()
            for shade in range(count):
                track.push_frame(np.full((16, 32, 3), shade, np.uint8), user_data=b"%d" % shade)
        try:
            result = await self.reactor.step(**request)
        except ReactorError as refusal:
            return {"refused": str(refusal)}
        return {
            "turn": result.step,
            "failed": result.error,
            "outputs": {
                t.name: [[list(f.shape), int(f.array.flat[0]), (f.metadata or b"").decode()] for f in t.frames]
                for t in result.tracks
                if t.kind == "video"
            },
        }

    async def step(self, step):
        if "upload" in step:
            return await self.upload(step)
        if "command" in step:
            return await self.command(step["command"], step.get("data", {}))
        if "receive" in step:
            return await self.receive(step["receive"])
        if "publish" in step:
            return await self.publish(step["publish"], step["frames"])
        if "message" in step:
            return await self.message(step["message"], step.get("at_least", {}))
        if "clip" in step:
            return await self.clip(step["clip"])
        if "stats" in step:
            return await self.stats()
        if "schema" in step:
            return {"commands": sorted((await self.reactor.request_schema())["paths"])}
        if "pause" in step:
            await self.reactor.track(step["pause"]).pause()
            return {"paused": sorted(self.reactor.paused_tracks)}
        if "resume" in step:
            await self.reactor.track(step["resume"]).resume()
            return {"paused": sorted(self.reactor.paused_tracks)}
        if "turn" in step:
            return await self.turn(step["turn"], step.get("frames", {}))
        if "reconnect" in step:
            await self.reactor.reconnect()
            return {"status": self.reactor.status.value}
        raise ValueError(f"unknown step {step}")

    def tracks(self):
        return [
            {"name": t.name, "kind": t.kind.value, "direction": t.direction.value}
            for t in self.reactor.tracks
        ]


def say(record):
    print(json.dumps(record), flush=True)


async def main(url, model, generation="streamed"):
    script = json.load(sys.stdin)
    client = Client(url, model, generation)
    await client.reactor.connect()
    try:
        for track in client.reactor.tracks:
            if (track.kind.value, track.direction.value) == ("video", "recvonly"):
                track.on_frame(client.saw)
        say({"session": client.reactor.session_id, "tracks": client.tracks()})
        for step in script:
            say(await client.step(step))
    finally:
        await client.reactor.disconnect()
    say({"status": client.reactor.status.value})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
