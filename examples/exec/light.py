"""How light a picture is and how much of it changes, drawn along its edge.

With Reactor's Python SDK, track is the session's. Here this line brings it:
"""

from reactorpipe_stage import track, run

before = None


@track.on_frame
def on_frame(frame):
    global before
    light = frame.mean() / 255
    changed = 0.0 if before is None or before.shape != frame.shape else (abs(frame.astype("int16") - before) > 24).mean()
    before = frame.copy()
    track.measure(light=light, changed=changed)
    if light < 0.2:
        track.event("dark", light=round(light, 3))
    width = int(light * frame.shape[1])
    frame[:8, :width] = (255, 204, 136)
    track.detect(0, 0, width, 8, label="light", score=light)
    return frame


run()
