package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What the file of a test needs besides what it is about.
const (
	withCam  = "sources: {cam: {file: x.mp4}}\n"
	withLog  = "\nsinks: [{name: log, type: log}]"
	aSession = "session: {model: a/b}\n"
)

// TestMistakes has the likeliest mistakes in a file and the whole of what is
// said to each.
func TestMistakes(t *testing.T) {
	tests := []struct {
		name, file string
		want       []string // without "pipeline.yaml:"
	}{
		// The file as such.
		{"empty", "", []string{" is empty"}},
		{"only comments", "# nothing\n", []string{" is empty"}},
		{"only null", "~", []string{" is empty"}},
		{"a list", "- a", []string{"1: must be a map (key: value), got a list"}},
		{"a text", "hello", []string{"1: must be a map (key: value), got hello"}},
		{"not YAML", "sources: {cam: {file: x}\nsinks: []", []string{"2: not valid YAML: did not find expected ',' or '}'"}},
		{"a tab", "sources:\n\tcam: {file: x}", []string{"2: not valid YAML: found character that cannot start any token (a tab: lines are indented by spaces)"}},
		{"an unquoted template", withCam + "stages: [{name: o, type: overlay, config: {text: {{ x }}}}]" + withLog, []string{`2: stage "o": text: must be text, got {{ without quotes around the text`}},
		{"unquoted in data", aSession + withCam + "sinks:\n- name: c\n  type: command\n  config:\n    command: x\n    data: {n: {{ 1 }}}", []string{`8: sink "c": data.n: a key must be text, got {{ without quotes around the text`}},
		{"two documents", withCam + "---\n" + withCam, []string{"2: a file holds one pipeline, and a second document begins here"}},
		{"an unknown alias", "sources: *cam", []string{" not valid YAML: unknown anchor 'cam' referenced"}},
		{"an alias of itself", "sources: &a {cam: *a}" + withLog, []string{`1: source "cam": says no kind of source: one of file, message or track`}},
		{"a strange tag", withCam + "sinks: [{name: log, type: !secret log}]", []string{`2: sink "log": type: the tag !secret is not supported`}},

		// Keys.
		{"top level", withCam + "sink: []" + withLog, []string{`2: unknown field "sink", did you mean "sinks"?`}},
		{"nothing like it", withCam + "zzz: 1" + withLog, []string{`2: unknown field "zzz"; there are max_in_flight, name, session, sessions, sinks, sources and stages`}},
		{"a session", "session: {modle: a/b}\n" + withCam + withLog, []string{`1: session: unknown field "modle", did you mean "model"?`}},
		{"a sim", "session: {sim: {clips: a.mp4}}\n" + withCam + withLog, []string{`1: session: unknown field "clips" in sim, did you mean "clip"?`}},
		{"a start command", "session: {model: a/b, start: [{comand: x}]}\n" + withCam + withLog, []string{
			`1: session: unknown field "comand" in start[0], did you mean "command"?`,
		}},
		{"a source", "sources: {cam: {file: x, lop: true}}" + withLog, []string{`1: source "cam": unknown field "lop", did you mean "loop"?`}},
		{"a stage", withCam + "stages: [{name: blur, type: blur, form: cam}]" + withLog, []string{`2: stage "blur": unknown field "form", did you mean "from"?`}},
		{"a config", withCam + "stages:\n- name: blur\n  type: blur\n  config:\n    raduis: 3" + withLog, []string{`6: stage "blur": unknown field "raduis" in config, did you mean "radius"?`}},
		{"deep in a config", withCam + "stages:\n- {name: blur, type: blur, config: {kernel: {sharp: 1}}}" + withLog, []string{`3: stage "blur": unknown field "sharp" in config.kernel, did you mean "shape"?`}},
		{"a config's key beside it", withCam + "stages:\n- {name: blur, type: blur, radius: 3}" + withLog, []string{`3: stage "blur": unknown field "radius": it belongs under config`}},
		{"a node's key in its config", withCam + "stages:\n- {name: people, type: people_detect, config: {rate: 5fps}}" + withLog, []string{`3: stage "people": unknown field "rate" in config: it belongs beside type, not under config`}},
		{"a key that comes later", withCam + "sinks: [{name: rec, type: record, subtitles: cam}]", []string{`2: sink "rec": unknown field "subtitles"; there are audio, config, cooldown, edge, from, hold, name, on_error, queue, rate, session, type, when and with`}},
		{"a sink's key on a stage", withCam + "stages: [{name: p, type: people_detect, edge: rise}]" + withLog, []string{`2: stage "p": unknown field "edge"; there are async, config, deadline, from, name, on_error, rate, session, ttl, type, when, with and workers`}},
		{"twice", withCam + "stages:\n- name: blur\n  type: blur\n  name: blur2" + withLog, []string{`5: stage "blur": name: is set already on line 3`}},
		{"twice at the top", withCam + withCam + withLog, []string{`2: sources: is set already on line 1`}},
		{"a source twice", "sources:\n  cam: {file: a}\n  cam: {file: b}" + withLog, []string{`3: sources.cam: is set already on line 2`}},
		{"a queue", withCam + "sinks: [{name: log, type: log, queue: {deep: 3}}]", []string{`2: sink "log": unknown field "deep" in queue; there are depth and on_full`}},

		// What a misspelt key holds is read, and what refers to that is right.
		{"stages", withCam + "stagse:\n- {name: people, type: people_detect}\n- {name: o, type: overlay, from: cam, with: [people]}\nsinks:\n- {name: log, type: log, from: people, when: len(people.detections) > 3}", []string{`2: unknown field "stagse", did you mean "stages"?`}},
		{"sources", "soruces: {cam: {file: x}}\nstages: [{name: b, type: blur, from: cam}]\nsinks: [{name: log, type: log, audio: cam}]", []string{
			`1: unknown field "soruces", did you mean "sources"?`, `3: sink "log": audio: log takes no sound`,
		}},
		{"sinks", withCam + "snks: [{name: log, type: log, from: camm}]", []string{
			`2: unknown field "snks", did you mean "sinks"?`, `2: sink "log": from: there is no "camm" to take frames from, did you mean "cam"?`,
		}},
		{"sessions", "sesions: {a: {model: a/b}, b: {model: a/b}}\nsources: {cam: {track: x, session: a}}" + withLog, []string{`1: unknown field "sesions", did you mean "sessions"?`}},
		{"a name", withCam + "stages: [{nmae: people, type: people_detect}]\nsinks: [{name: log, type: log, from: people, when: people.detections == nil}]", []string{`2: stages[0]: unknown field "nmae", did you mean "name"?`}},
		{"a type", withCam + "stages: [{name: b, tpye: blur, config: {radius: 4}}]" + withLog, []string{
			`2: stage "b": unknown field "tpye", did you mean "type"?`, `2: stage "b": radius: must be odd and positive, got 4`,
		}},
		{"from", withCam + "stages: [{name: p, type: people_detect}]\nsinks: [{name: r, type: record, form: cam, config: {copy: true}}]", []string{
			`3: sink "r": unknown field "form", did you mean "from"?`,
			`3: sink "r": from: it takes pictures as they come, not yet decoded, and cam, a source of kind file, has none`,
		}},
		{"a source of a misspelt kind", "sources: {cam: {fil: x, lop: true}}\nsinks: [{name: log, type: log, from: cam}]", []string{
			`1: source "cam": unknown kind of source "fil", did you mean "file"?`, `1: source "cam": unknown field "lop", did you mean "loop"?`,
		}},
		{"a field that there is already", withCam + "stages: [{name: b, type: blur, nmae: c}]" + withLog, []string{`2: stage "b": unknown field "nmae", did you mean "name"?`}},
		{"a field that is needed, beside it", aSession + withCam + "sinks: [{name: c, type: command, command: x}]", []string{`3: sink "c": unknown field "command": it belongs under config`}},
		// What was not understood may be what others refer to.
		{"a section like none", withCam + "zzz: [{name: people, type: people_detect}]\nsinks: [{name: log, type: log, from: people, when: people.detections == nil}]", []string{`2: unknown field "zzz"; there are max_in_flight, name, session, sessions, sinks, sources and stages`}},
		{"a section twice", withCam + "stage: [{name: people, type: people_detect}]\nstages: []\nsinks: [{name: log, type: log, from: people}]", []string{`2: unknown field "stage", did you mean "stages"?`}},
		{"stages in a map", withCam + "stages: {people: {type: people_detect}}\nsinks: [{name: log, type: log, from: people}]", []string{`2: stages: must be a list (- name: …), got a map`}},
		{"sources in a list", "sources: [{name: cam, file: x}]\nsinks: [{name: log, type: log, from: cam}]", []string{`1: sources: must be a map (key: value), got a list`}},
		{"a stage without a name", withCam + "stages: [{type: people_detect}]\nsinks: [{name: log, type: log, from: people}]", []string{`2: stages[0]: name is missing`}},

		{"a key that is a list", withCam + "[a]: 3" + withLog, []string{"2: a key must be text, got a list"}},
		{"a merge of a text", withCam + "stages: [{<<: x, name: b, type: blur}]" + withLog, []string{`2: stage "b": <<: must be a map or a list of maps, got x`}},

		// Types.
		{"a duration", withCam + "stages: [{name: p, type: people_detect, async: true, ttl: soon}]" + withLog, []string{`2: stage "p": ttl: must be a duration such as 5s, got soon`}},
		{"a duration without unit", withCam + "sinks: [{name: log, type: log, when: true, cooldown: 5}]", []string{`2: sink "log": cooldown: must be a duration such as 5s, got 5`}},
		{"a rate", withCam + "stages: [{name: p, type: people_detect, rate: often}]" + withLog, []string{`2: stage "p": rate: must be a rate such as 15fps or 2/s, got often`}},
		{"a size", withCam + "sinks: [{name: rec, type: record, config: {size: huge}}]", []string{`2: sink "rec": size: must be a size such as 50GB or 512k, got huge`}},
		{"a bitrate", withCam + "sinks: [{name: rec, type: record, config: {bitrate: fast}}]", []string{`2: sink "rec": bitrate: must be a bitrate such as 2M or 800k, got fast`}},
		{"text for a number", withCam + "stages: [{name: b, type: blur, config: {radius: wide}}]" + withLog, []string{`2: stage "b": radius: must be a whole number, got wide`}},
		{"a fraction", withCam + "stages: [{name: b, type: blur, config: {radius: 3.5}}]" + withLog, []string{`2: stage "b": radius: must be a whole number, got 3.5`}},
		{"a quoted number", withCam + "stages: [{name: b, type: blur, config: {radius: \"3\"}}]" + withLog, []string{`2: stage "b": radius: must be a whole number, got 3`}},
		{"too large", withCam + "stages: [{name: b, type: blur, config: {radius: 99999999999999999999}}]" + withLog, []string{`2: stage "b": radius: must be a whole number, got 99999999999999999999`}},
		{"out of a byte", withCam + "stages: [{name: b, type: blur, config: {colors: {red: [0, 256, -1]}}}]" + withLog, []string{
			`2: stage "b": colors.red[1]: must be a smaller number, got 256`,
			`2: stage "b": colors.red[2]: must not be negative, got -1`,
		}},
		{"a list of the wrong length", withCam + "stages: [{name: b, type: blur, config: {colors: {red: [0]}}}]" + withLog, []string{`2: stage "b": colors.red: must be a list of 3, got 1`}},
		{"not a number", withCam + "stages: [{name: p, type: people_detect, config: {threshold: .nan}}]" + withLog, []string{`2: stage "p": threshold: must be a number, got .nan`}},
		{"a list for a number", withCam + "stages: [{name: p, type: people_detect, config: {threshold: [1]}}]" + withLog, []string{`2: stage "p": threshold: must be a number, got a list`}},
		{"yes", withCam + "stages: [{name: p, type: people_detect, async: yes}]" + withLog, []string{`2: stage "p": async: must be true or false, got yes`}},
		{"a map for a text", withCam + "stages: [{name: b, type: blur, config: {kernel: {shape: {a: 1}}}}]" + withLog, []string{`2: stage "b": kernel.shape: must be text, got a map`}},
		{"a text for a map", withCam + "stages: [{name: b, type: blur, config: strong}]" + withLog, []string{`2: stage "b": must be a map (key: value), got strong`}},
		{"a text for a list", withCam + "stages:\n- {name: p, type: people_detect}\n- {name: o, type: overlay, from: cam, with: p}" + withLog, []string{`4: stage "o": with: must be a list such as [p], got p`}},
		{"stages as a map", withCam + "stages: {blur: {type: blur}}" + withLog, []string{`2: stages: must be a list (- name: …), got a map`}},
		{"sources as a list", "sources: [{name: cam}]" + withLog, []string{`1: sources: must be a map (key: value), got a list`}},
		{"a stage as a text", withCam + "stages: [blur]" + withLog, []string{`2: stages[0]: must be a map (key: value), got blur`}},
		{"a source as a text", "sources: {cam: main_video}" + withLog, []string{`1: source "cam": must be a map such as {track: …}, got main_video`}},
		{"no value", withCam + "stages:\n- name: b\n  type: blur\n  config:\n    radius:\n  on_error:" + withLog, []string{
			`6: stage "b": radius: has no value`, `7: stage "b": on_error: has no value`,
		}},

		{"out of range", withCam + "stages: [{name: p, type: people_detect, config: {score: 1}}]" + withLog, []string{`2: stage "p": score: must be from 0 to below 1, got 1`}},
		{"below its range", withCam + "stages: [{name: p, type: people_detect, config: {score: -0.5}}]" + withLog, []string{`2: stage "p": score: must be from 0 to below 1, got -0.5`}},
		{"a negative duration", withCam + "sinks: [{name: log, type: log, when: true, cooldown: -5s}]", []string{`2: sink "log": cooldown: must be a duration such as 5s, got -5s`}},
		{"a rate of zero", withCam + "sinks: [{name: log, type: log, rate: 0}]", []string{`2: sink "log": rate: must be a rate such as 15fps or 2/s, got 0`}},
		{"an unquoted variable in braces", withCam + "stages: [{name: b, type: blur, config: {radius: ${N}}}]" + withLog, []string{"2: not valid YAML: did not find expected ',' or '}'"}},
		{"an unquoted colon", withCam + "stages:\n- {name: o, type: overlay, config: {text: a: b}}" + withLog, []string{"3: not valid YAML: did not find expected ',' or '}'"}},
		{"no space behind a colon", withCam + "max_in_flight:3\n" + withLog, []string{"2: not valid YAML: could not find expected ':'"}},
		{"a list item out of line", withCam + "stages:\n  - name: b\n    type: blur\n   config: {}" + withLog, []string{"5: not valid YAML: did not find expected '-' indicator"}},

		// Words and names.
		{"an unknown stage", withCam + "stages: [{name: b, type: blurr}]" + withLog, []string{`2: stage "b": type: unknown kind "blurr" in stages, did you mean "blur"?`}},
		{"a far one", withCam + "stages: [{name: b, type: yolo}]" + withLog, []string{`2: stage "b": type: unknown kind "yolo" in stages: one of blur, overlay, people_detect or track_objects`}},
		{"a sink among stages", withCam + "stages: [{name: r, type: record}]" + withLog, []string{`2: stage "r": type: unknown kind "record" in stages: it is a sink, and belongs under sinks`}},
		{"a source among sinks", withCam + "sinks: [{name: r, type: track}]", []string{`2: sink "r": type: unknown kind "track" in sinks: it is a source, and belongs under sources, as name: {track: …}`}},
		{"no type", withCam + "stages: [{name: b}]" + withLog, []string{`2: stage "b": type is missing: one of blur, overlay, people_detect or track_objects`}},
		{"no name", withCam + "stages: [{type: blur}]" + withLog, []string{`2: stages[0]: name is missing`}},
		{"a bad name", withCam + "stages: [{name: My-Blur, type: blur}]" + withLog, []string{`2: stage "My-Blur": name: must be lower-case letters, digits and _, beginning with a letter, got My-Blur`}},
		{"a reserved name", withCam + "stages: [{name: filter, type: blur}]" + withLog, []string{`2: stage "filter": name: filter means something else already; take another`}},
		{"a source called frame", "sources: {frame: {file: x}}" + withLog, []string{`1: source "frame": name: frame means something else already; take another`}},
		{"a name twice", withCam + "stages:\n- {name: b, type: blur}\n- {name: b, type: blur}" + withLog, []string{`4: stage "b": name: b is that of the stage on line 3 already; names are unique in a file`}},
		{"the name of a source", withCam + "stages: [{name: cam, type: blur}]" + withLog, []string{`2: stage "cam": name: cam is that of the source on line 1 already; names are unique in a file`}},
		{"on_error", withCam + "stages: [{name: b, type: blur, on_error: ignore}]" + withLog, []string{`2: stage "b": on_error: must be drop, pass or stop, got ignore`}},
		{"edge", withCam + "sinks: [{name: log, type: log, when: true, edge: rising}]", []string{`2: sink "log": edge: must be rise, fall, change or while, got rising`}},
		{"on_full", withCam + "sinks: [{name: log, type: log, queue: {depth: 0, on_full: wait}}]", []string{
			`2: sink "log": queue.depth: must be at least 1, got 0`,
			`2: sink "log": queue.on_full: must be drop_oldest, drop_newest or block, got wait`,
		}},
		{"the pipeline's name", "name: a/b\n" + withCam + withLog, []string{`1: name: must be letters, digits, -, _ and ., got a/b`}},
		{"max_in_flight", "max_in_flight: 0\n" + withCam + withLog, []string{`1: max_in_flight: must be at least 1, got 0`}},

		// Settings that their kind refuses.
		{"validate", withCam + "stages:\n- name: b\n  type: blur\n  config:\n    radius: 4" + withLog, []string{`6: stage "b": radius: must be odd and positive, got 4`}},
		{"validate without config", aSession + withCam + "sinks:\n- name: c\n  type: command", []string{`4: sink "c": command: is missing`}},

		// Sources.
		{"no source", "name: x" + withLog, []string{`1: sources: a pipeline has at least one, such as sources: {cam: {track: …}}`}},
		{"no sink", withCam, []string{`1: sinks: a pipeline has at least one`}},
		{"no kind of source", "sources: {cam: {loop: true}}" + withLog, []string{`1: source "cam": says no kind of source: one of file, message or track`}},
		{"a misspelt kind", aSession + "sources: {cam: {trak: x}}" + withLog, []string{`2: source "cam": unknown kind of source "trak", did you mean "track"?`}},
		{"two kinds", "sources: {cam: {track: x, file: y}}" + withLog, []string{`1: source "cam": track and file exclude each other`}},
		{"a track without session", "sources: {cam: {track: x}}" + withLog, []string{`1: source "cam": needs a session, and the file has none`}},

		// The graph.
		{"no such node", withCam + "stages: [{name: b, type: blur, from: camm}]" + withLog, []string{`2: stage "b": from: there is no "camm" to take frames from, did you mean "cam"?`}},
		{"nothing like it", withCam + "stages: [{name: b, type: blur, from: other}]" + withLog, []string{`2: stage "b": from: there is no "other" to take frames from: it could be cam`}},
		{"from a sink", withCam + "sinks:\n- {name: rec, type: record}\n- {name: log, type: log, from: rec}", []string{`4: sink "log": from: rec is a sink: nothing comes out of it`}},
		{"from itself", withCam + "stages: [{name: b, type: blur, from: b}]" + withLog, []string{`2: stage "b": from: b cannot feed itself`}},
		{"with nobody", withCam + "stages: [{name: o, type: overlay, with: [ids]}]" + withLog, []string{`2: stage "o": with[0]: there is no "ids" to take frames from: it could be cam`}},
		{"with twice", withCam + "stages:\n- {name: p, type: people_detect}\n- {name: o, type: overlay, with: [p]}" + withLog, []string{`4: stage "o": with[0]: p is an input already`}},
		{"a cycle", withCam + "stages:\n- {name: a, type: blur, from: c}\n- {name: b, type: blur}\n- {name: c, type: blur}" + withLog, []string{`3: stage "a": from: frames go round in a circle: a → b → c → a`}},
		{"which source", "sources: {a: {file: x}, b: {file: y}}\nstages: [{name: s, type: blur}]" + withLog, []string{`2: stage "s": from: is missing: it could be a or b`}},
		{"which source for a sink", "sources: {a: {file: x}, b: {file: y}}" + withLog, []string{`2: sink "log": from: is missing: it could be a or b`}},
		{"access units behind a stage", withCam + "stages: [{name: b, type: blur}]\nsinks: [{name: r, type: record, config: {copy: true}}]", []string{`3: sink "r": from: it takes pictures as they come, not yet decoded, and so must be a source of pictures, got b`}},
		{"access units of a source that has none", withCam + "sinks: [{name: r, type: record, config: {copy: true}}]", []string{`2: sink "r": from: it takes pictures as they come, not yet decoded, and cam, a source of kind file, has none`}},
		{"sound for who takes none", "sources: {cam: {file: x, audio: true}}\nsinks: [{name: l, type: log, audio: cam}]", []string{`2: sink "l": audio: log takes no sound`}},
		{"sound that is wanted", aSession + "sources: {cam: {file: x, audio: true}}\nsinks: [{name: p, type: publish, config: {track: t, voice: v}}]", []string{`3: sink "p": audio: is missing: its config wants sound, which could be that of cam`}},
		{"sound that nobody wants", aSession + "sources: {cam: {file: x, audio: true}}\nsinks: [{name: p, type: publish, audio: cam, config: {track: t}}]", []string{`3: sink "p": audio: publish takes sound only where its config says what for`}},
		{"sound of nobody", "sources: {cam: {file: x, audio: true}}\nsinks: [{name: r, type: record, audio: camm}]", []string{`2: sink "r": audio: there is no source "camm", did you mean "cam"?`}},
		{"sound of a source without", withCam + "sinks: [{name: r, type: record, audio: cam}]", []string{`2: sink "r": audio: cam has no sound: a source names it, as in {track: main_video, audio: main_audio}`}},
		{"sound of a source of pictures alone", aSession + "sources: {cam: {track: x}}\nsinks: [{name: r, type: record, audio: cam}]", []string{`3: sink "r": audio: cam has no sound: sources of the kind track are pictures alone, those of track and file may have some`}},
		{"sound of another source", "sources: {a: {file: x}, b: {file: y, audio: true}}\nsinks: [{name: r, type: record, from: a, audio: b}]", []string{`2: sink "r": audio: must be a, which the frames come from, got b`}},
		{"a join of two sources", "sources: {a: {file: x}, b: {file: y}}\nstages:\n- {name: p, type: people_detect, from: a}\n- {name: o, type: overlay, from: b, with: [p]}" + withLog, []string{`4: stage "o": with: p comes from a, and the picture from b: what is joined must come from one source`}},
		{"a field of the message in hand", aSession + "sources: {m: {message: state}}\nsinks: [{name: log, type: log, when: m.tpye == \"x\"}]", []string{`3: sink "log": when: message source "m" has no "tpye", did you mean "type"?`}},
		{"pixels of a message", aSession + "sources: {m: {message: state}}\nstages: [{name: b, type: blur}]" + withLog, []string{`3: stage "b": from: m is a source of messages, and this needs pictures`}},

		// Keys that do not go together.
		{"async and pixels", withCam + "stages: [{name: b, type: blur, async: true, rate: 2fps}]" + withLog, []string{
			`2: stage "b": async: blur changes the picture, and only stages that do not may work beside the line`,
			`2: stage "b": rate: blur changes the picture, and only stages that do not may leave frames out`,
		}},
		{"ttl alone", withCam + "stages: [{name: p, type: people_detect, ttl: 1s}]" + withLog, []string{`2: stage "p": ttl: is for stages with async or rate, whose results are held`}},
		{"workers", withCam + "stages: [{name: t, type: track_objects, workers: 2}]" + withLog, []string{`2: stage "t": workers: track_objects takes one frame after the other and allows 1, got 2`}},
		{"no workers", withCam + "stages: [{name: p, type: people_detect, workers: 0, deadline: 0s}]" + withLog, []string{
			`2: stage "p": workers: must be at least 1, got 0`, `2: stage "p": deadline: must be above 0s`,
		}},
		{"edge without when", withCam + "sinks: [{name: log, type: log, edge: rise}]", []string{`2: sink "log": edge: refines when, and there is no when`}},

		// Sessions.
		{"nobody", "session: {wait: 5s}\n" + withCam + withLog, []string{`1: session: needs model, url or sim, such as {model: reactor/x2}`}},
		{"two at once", "session: {model: a/b, sim: {clip: x}}\n" + withCam + withLog, []string{`1: session: model and sim exclude each other`}},
		{"not a URL", "session: {url: localhost:8080}\n" + withCam + withLog, []string{`1: session: url: must be an http or https URL, got localhost:8080`}},
		{"an address for a model", "session: {model: 'http://localhost:8080'}\n" + withCam + withLog, []string{`1: session: model: must be a name such as reactor/x2, got an address: that of a local runtime is url: http://localhost:8080`}},
		{"host and port for a model", "session: {model: localhost:8080}\n" + withCam + withLog, []string{`1: session: model: must be a name such as reactor/x2, got an address: that of a local runtime is url: http://localhost:8080`}},
		{"on_exit", "session: {model: a/b, on_exit: stop}\n" + withCam + withLog, []string{`1: session: on_exit: must be end or leave, got stop`}},
		{"a limit in parts of a second", "session: {model: a/b, limit: 1500ms}\n" + withCam + withLog, []string{`1: session: limit: must be whole seconds, at least one, got 1.5s`}},
		{"renewed too early", "session: {model: a/b, limit: 1m, renew: {before: 60s}}\n" + withCam + withLog, []string{`1: session: renew.before: must be less than the limit of 1m0s, got 1m0s`}},
		{"renew in words", "session: {model: a/b, renew: true}\n" + withCam + withLog, []string{`1: session: renew: must be a map (key: value), got true`}},
		{"adopted by nobody's name", "session: {model: a/b, adopt: {}}\n" + withCam + withLog, []string{`1: session: adopt: session_id is missing`}},
		{"adopted and renewed", "session: {model: a/b, adopt: {session_id: s}, renew: {}}\n" + withCam + withLog, []string{`1: session: renew: a session that is adopted is somebody else's to renew`}},
		{"adopted and ended", "session: {model: a/b, adopt: {session_id: s}, on_exit: end}\n" + withCam + withLog, []string{`1: session: on_exit: a session that is adopted is left, never ended`}},
		{"adopted and simulated", "session: {sim: {}, adopt: {session_id: s}}\n" + withCam + withLog, []string{`1: session: sim and adopt exclude each other`}},
		{"no budget", "session: {model: a/b, budget: {sessions: 0, per: 0s}}\n" + withCam + withLog, []string{
			`1: session: budget.sessions: must be at least 1, got 0`, `1: session: budget.per: must be above 0s`,
		}},
		{"stalled at once", "session: {model: a/b, stall_after: 0s, on_stall: [{}]}\n" + withCam + withLog, []string{
			`1: session: on_stall[0]: command is missing`, `1: session: stall_after: must be above 0s`,
		}},
		{"a stop that computes", "session:\n  model: a/b\n  stop:\n  - {command: x, data: {n: \"{{ frame.seq }}\"}}\n" + withCam + withLog, []string{`4: session: stop[0].data: holds constants only: there are no frames yet`}},
		{"a circle of one", "session: {model: a/b, commands: {burst: 0, cycle: {repeats: 1, within: 0s, pause: 0s}}}\n" + withCam + withLog, []string{
			`1: session: commands.burst: must be at least 1, got 0`, `1: session: commands.cycle.repeats: must be at least 2, or 0 for none, got 1`,
			`1: session: commands.cycle.within: must be above 0s`, `1: session: commands.cycle.pause: must be above 0s`,
		}},
		{"a ledger that is a folder", "session: {model: a/b, commands: {ledger: out/}}\n" + withCam + withLog, []string{`1: session: commands.ledger: must name a file, got the folder out/`}},
		{"a ledger named after a frame", "session: {model: a/b, commands: {ledger: \"{{ frames.seq }}\"}}\n" + withCam + withLog, []string{`1: session: commands.ledger: {{ frames.seq }}: unknown name "frames", did you mean "frame"?`}},
		{"both words", aSession + "sessions: {x: {model: a/b}}\n" + withCam + withLog, []string{`2: session is short for sessions: {main: …}; write one of the two`}},
		{"a node's session", aSession + "sources: {cam: {track: x, session: mian}}" + withLog, []string{`2: source "cam": session: there is no session "mian", did you mean "main"?`}},
		{"which session", "sessions: {a: {model: a/b}, b: {model: a/b}}\nsources: {cam: {track: x}}" + withLog, []string{`2: source "cam": session: is missing: it could be a or b`}},
		{"a loop", "session: {sim: {loop: a.mp4, fps: 5}}\n" + withCam + withLog, []string{`1: session: sim.fps: does not go with loop, which is sent as it is`}},
		{"a codec", "session: {sim: {codec: h265, loss: 2}}\n" + withCam + withLog, []string{
			`1: session: sim.loss: must be from 0 to 1, got 2`, `1: session: sim.codec: must be vp8, vp9, h264 or av1, got h265`,
		}},
		{"an ICE server", "session: {model: a/b, ice_servers: [example.com]}\n" + withCam + withLog, []string{`1: session: ice_servers[0]: must begin with stun:, turn: or turns:, got example.com`}},
		{"a TURN server without a password", "session: {model: a/b, ice_servers: ['turn:example.com:3478']}\n" + withCam + withLog, []string{`1: session: ice_servers[0]: must have a user and a password, as in turns:user:password@host:443?transport=tcp, got turn:example.com:3478`}},
		{"a start that computes", "session:\n  model: a/b\n  start:\n  - {command: x, data: {n: \"{{ frame.seq }}\"}}\n" + withCam + withLog, []string{`4: session: start[0].data: holds constants only: there are no frames yet`}},
		{"an unquoted crop", aSession + withCam + "sinks:\n- {name: c, type: command, config: {command: x, data: {image: {frame: crop(people.detections[0])}}}}", []string{`4: not valid YAML: did not find expected ',' or '}' (an expression with brackets or commas is written in quotes)`}},
		{"a start that uploads", "session:\n  model: a/b\n  start:\n  - {command: x, data: {n: {file: x.png}}}\n" + withCam + withLog, []string{`4: session: start[0].data.n.file: there is no file x.png`}},
		{"a start that uploads a frame", "session:\n  model: a/b\n  start:\n  - {command: x, data: {n: {frame: true}}}\n" + withCam + withLog, []string{`4: session: start[0].data: holds constants only: there are no frames yet`}},

		// Expressions.
		{"a name", withCam + "stages: [{name: people, type: people_detect}]\nsinks: [{name: log, type: log, when: len(peple.detections) > 3}]", []string{`3: sink "log": when: unknown name "peple", did you mean "people"?`}},
		{"a field", withCam + "stages: [{name: people, type: people_detect}]\nsinks: [{name: log, type: log, when: len(people.detection) > 3}]", []string{`3: sink "log": when: stage "people" has no "detection", did you mean "detections"?`}},
		{"not upstream", withCam + "stages: [{name: people, type: people_detect}]\nsinks: [{name: log, type: log, from: cam, when: len(people.detections) > 3}]", []string{`3: sink "log": when: people is not upstream of this node: from or with has to name it`}},
		{"syntax", withCam + "sinks: [{name: log, type: log, when: frame.seq > }]", []string{`2: sink "log": when: it ends too early`}},
		{"types", withCam + "sinks: [{name: log, type: log, when: frame.seq > \"3\"}]", []string{`2: sink "log": when: > does not go with a number and text`}},
		{"a template", withCam + "stages: [{name: o, type: overlay, config: {text: \"{{ frame.sq }}\"}}]" + withLog, []string{`2: stage "o": text: {{ frame.sq }}: frame has no "sq", did you mean "seq"?`}},
		{"an open template", withCam + "stages: [{name: o, type: overlay, config: {text: \"{{ frame.seq\"}}]" + withLog, []string{`2: stage "o": text: {{ frame.seq: {{ has no matching }}`}},
		{"deep in data", aSession + withCam + "sinks:\n- name: c\n  type: command\n  config:\n    command: x\n    data:\n      a: 1\n      list:\n      - \"{{ nobody }}\"\n      - \"{{ 1 + }}\"", []string{
			`11: sink "c": data.list[0]: {{ nobody }}: unknown name "nobody"`,
			`12: sink "c": data.list[1]: {{ 1 + }}: it ends too early`,
		}},
		{"an upload", aSession + withCam + "sinks:\n- {name: c, type: command, config: {command: x, data: {image: {frame: x}}}}", []string{`4: sink "c": data.image.frame: x: unknown name "x"`}},

		// Variables.
		{"not set", "session: {model: \"${NOPE}\"}\n" + withCam + withLog, []string{`1: environment variable NOPE is not set`}},
		{"not set where a number belongs", withCam + "stages:\n- name: b\n  type: blur\n  config:\n    radius: ${NOPE}" + withLog, []string{`6: environment variable NOPE is not set`}},
		{"no such file", "session: {model: a/b, api_key: \"${file:/nowhere/key}\"}\n" + withCam + withLog, []string{`1: ${file:/nowhere/key}: no such file or directory`}},
		{"not closed", "session: {model: \"${NOPE\"}\n" + withCam + withLog, []string{"1: ${NOPE: has no } of its own"}},
		{"nested", "session: {model: \"${A:-${B}}\"}\n" + withCam + withLog, []string{"1: ${A:-${B: has no } of its own"}},
		{"not a name", "session: {model: \"${1 + 2}\"}\n" + withCam + withLog, []string{"1: ${1 + 2}: must be ${NAME}, ${NAME:-default} or ${file:path}; a plain ${ is written $${"}},
		{"the wrong type", withCam + "stages: [{name: b, type: blur, config: {radius: \"${WORD}\"}}]" + withLog, []string{`2: stage "b": radius: must be a whole number, got word`}},

		// All at once, by line.
		{"many", `name: crosswalk
sesion: {model: a/b}
sources:
  cam: {file: x, lop: true}
stages:
  - name: people
    type: people_detect
    rate: soon
    config: {threshold: high}
  - name: blur
    type: blurr
sinks:
  - name: rec
    type: record
    from: blurr
    when: len(people.detectoins) > 0
`, []string{
			`2: unknown field "sesion", did you mean "session"?`,
			`4: source "cam": unknown field "lop", did you mean "loop"?`,
			`8: stage "people": rate: must be a rate such as 15fps or 2/s, got soon`,
			`9: stage "people": threshold: must be a number, got high`,
			`11: stage "blur": type: unknown kind "blurr" in stages, did you mean "blur"?`,
			`15: sink "rec": from: there is no "blurr" to take frames from, did you mean "blur"?`,
			`16: sink "rec": when: stage "people" has no "detectoins", did you mean "detections"?`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("pipeline.yaml", []byte(tt.file), testRegistry(), Options{Env: env("WORD", "word")})
			want := "pipeline.yaml:" + strings.Join(tt.want, "\npipeline.yaml:")
			if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesInFlags(t *testing.T) {
	const file = withCam + "stages: [{name: people, type: people_detect}, {name: blur, type: blur}]" + withLog
	tests := []struct{ set, want string }{
		{"people.rate=soon", `--set people.rate=soon: stage "people": rate: must be a rate such as 15fps or 2/s, got soon`},
		{"people.rat=2", `--set people.rat=2: stage "people": unknown field "rat", did you mean "rate"?`},
		{"people.threshold=2", `--set people.threshold=2: stage "people": unknown field "threshold": it belongs under config`},
		{"people.config.treshold=2", `--set people.config.treshold=2: stage "people": unknown field "treshold" in config, did you mean "threshold"?`},
		{"blur.config.radius=4", `--set blur.config.radius=4: stage "blur": radius: must be odd and positive, got 4`},
		{"blur.config.radius=wide", `--set blur.config.radius=wide: stage "blur": radius: must be a whole number, got wide`},
		{"peple.rate=2", `--set peple.rate=2: there is no "peple", did you mean "people"?`},
		{"people=2", `--set people=2: must be name.key=value, such as people.rate=2fps`},
		{"people.rate", `--set people.rate: must be name.key=value, such as people.rate=2fps`},
		{"people..rate=2", `--set people..rate=2: must be name.key=value, such as people.rate=2fps`},
		{"session=2", `--set session=2: must be session.key=value`},
		{"max_in_flight=none", `--set max_in_flight=none: max_in_flight: must be a whole number, got none`},
		{"people.name.first=x", `--set people.name.first=x: "first" is not in a map`},
		{"log.when=frame.sec > 3", `--set log.when=frame.sec > 3: sink "log": when: frame has no "sec", did you mean "seq"?`},
		{"cam.fil=x", `--set cam.fil=x: source "cam": unknown field "fil", did you mean "file"?`},
	}
	for _, tt := range tests {
		t.Run(tt.set, func(t *testing.T) {
			_, err := Parse("pipeline.yaml", []byte(file), testRegistry(), Options{Set: []string{tt.set}})
			if got := fmt.Sprint(err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	bomb := "name: x\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10))
	}
	merges := withCam + "a0: &a0 {x: 1}\n"
	for i := 1; i < 12; i++ {
		merges += fmt.Sprintf("a%d: &a%d {<<: [%s]}\n", i, i, strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10))
	}
	merges += "stages: [*a11]" + withLog
	inData := strings.ReplaceAll(bomb, "\n", "\n      ")
	tests := []struct{ name, file, want string }{
		{"aliases", aSession + withCam + "sinks:\n- name: c\n  type: command\n  config:\n    command: x\n    data:\n      " + inData, "the file is nested too deep or, with its aliases, too large"},
		{"depth", aSession + withCam + "sinks:\n- {name: c, type: command, config: {command: x, data: {a: " + strings.Repeat("[", 500) + strings.Repeat("]", 500) + "}}}", "the file is nested too deep or, with its aliases, too large"},
		{"brackets", strings.Repeat("[", 20_000), "exceeded max depth of 10000"},
		{"a megabyte", "name: " + strings.Repeat("x", 1<<20-100) + "/\n" + withCam + withLog, "name: must be letters, digits, -, _ and ., got xxx"},
		{"a list in itself", aSession + withCam + "sinks:\n- {name: c, type: command, config: {command: x, data: {a: &a [*a]}}}", "the file is nested too deep or, with its aliases, too large"},
		{"a map merged into itself", withCam + "stages: [&a {<<: *a, name: b, type: blur}]\n" + withLog + "\nname: /", "name: must be letters, digits, -, _ and ., got /"},
		{"merges", merges, "unknown field \"a0\""},
		{"variables", "name: \"" + strings.Repeat("${BIG}", 10_000) + "\"\n" + withCam + withLog, "1: is longer than 1024 KiB with its variables"},
		{"ten thousand mistakes", withCam + withLog + "\n" + strings.Repeat("zz: 1\n", 10_000), "and 9950 mistakes more"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("pipeline.yaml", []byte(tt.file), testRegistry(), Options{Env: env("BIG", strings.Repeat("x", 1000))})
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 10_000 {
				t.Errorf("got %.300v, want %s", err, tt.want)
			}
		})
	}
}

// FuzzLoad holds the loader to plain messages of bounded length instead of
// panics, whatever the file.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		crosswalk, "", "a", "- a", "{", "a: [&a *a]", "? {a: b}\n: c", "!!binary x", "a: !!float x", "<<: {a: b}",
		withCam + "stages: [{<<: [{name: b}, {type: blur}], config: {radius: 0x7, kernel: ~, colors: {a: [1, 2, 3]}}}]" + withLog,
		withCam + "sinks: [{name: c, type: command, session: x, config: {command: c, data: {a: [1, ${A:-2}, \"{{ frame.seq }}\"]}}}]",
		"session: {sim: {fps: 1e3, width: 1}, start: [{command: a, data: {b: {file: c}}}]}\nsources: {a: {message: b}, c: {track: d}}",
		"sessions: {a: {url: \"http://x\"}, b: }\nsources: {cam: {track: x, session: b}}\nsinks: [{name: p, type: publish, when: cam}]",
		"name: ${file:x}${A}$$${", "stages: [{name: a, from: b}, {name: b, from: a, with: [a, a, b]}]",
		"--- a\n--- b", "a: |\n  b\n c", "\xff\xfe", "a: 2024-01-01", "\ta: b",
	} {
		f.Add(seed, "a.b=c")
	}
	f.Add(crosswalk, "people.config.threshold={a: [1, 2]}")
	f.Add(crosswalk, "session.sim.clip=x")
	f.Fuzz(func(t *testing.T, file, set string) {
		if strings.Contains(file, "..") {
			t.Skip("ranges in expressions are bounded, but take their time")
		}
		spec, err := Parse("pipeline.yaml", []byte(file), testRegistry(), Options{Env: env("A", "{{ 1 }}"), Set: []string{set}})
		if (err == nil) != (spec != nil) {
			t.Fatalf("spec %v, error %v", spec, err)
		}
		if err == nil {
			return
		}
		if len(err.Error()) > 50_000 {
			t.Errorf("%d bytes of mistakes", len(err.Error()))
		}
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if !strings.HasPrefix(line, "pipeline.yaml:") && !strings.HasPrefix(line, "--set ") {
				t.Errorf("a line without its place: %q", line)
			}
		}
	})
}
