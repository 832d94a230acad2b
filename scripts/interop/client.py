"""The official Python client, made to do what a script says.

    python client.py URL MODEL < script.json

The script is a list of steps:

    {"command": NAME, "data": {…}}
    {"receive": N}                                      wait for N more frames
    {"publish": TRACK, "frames": N}
    {"message": TYPE, "at_least": {FIELD: NUMBER}}      wait for such a one
    {"upload": NAME, "mime_type": TYPE, "size": N, "command": NAME, "argument": NAME}
    {"reconnect": true}

One line of JSON per step comes out, and a first and a last one for the session.
"""

import asyncio
import json
import sys

import numpy as np
from reactor_sdk import Reactor, ReactorError

PATIENCE = 20  # seconds for a step


class Client:
    def __init__(self, url, model):
        self.reactor = Reactor(model, api_url=url, local=True)
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


async def main(url, model):
    script = json.load(sys.stdin)
    client = Client(url, model)
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
