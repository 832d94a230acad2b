// Package sessiontest is the server side of the session protocol: a model that
// sdk, the official clients and a user's own tests connect to over real HTTP,
// ICE, DTLS, SRTP and data channels. It hands out samples that are already
// encoded, so it is pure Go and draws nothing.
//
// A test says what the model is and connects to it:
//
//	srv := sessiontest.New(t, sessiontest.Model{
//		Tracks: []sessiontest.Track{{Name: "main_video", Loop: sessiontest.TestClips()}},
//		Commands: []sessiontest.Command{{
//			Name: "set_brightness",
//			Args: []sessiontest.Arg{{Name: "brightness", Type: sessiontest.Number().Between(0, 2), Default: 1.0}},
//		}},
//	})
//	s, err := sdk.Connect(ctx, sdk.Config{BaseURL: srv.URL(), Local: true})
//
// One server speaks as a local runtime (POST /start_session and the like, one
// session, no credentials) and as the cloud's coordinator (tokens, POST
// /sessions, several sessions) at the same time. All sessions look at the same
// model: a [Sample] goes to whoever watches its track.
//
// [Config.Recording] lets clients fetch clips, [Model.Step] makes a model that is
// stepped ([StepModel] is one to try that with), [Config.StepResults] keeps what
// its steps put out. [TestClips] are pictures that say their number, and
// [Command.Effect] is another clip that a command brings.
//
// What a model says by itself a test has it say with [Server.Broadcast], and a
// program from outside with POST /_say/TYPE and the data as the body.
//
// Trouble is made on demand, from a test or over HTTP. What lasts is a [Trouble]:
// [Server.SetTrouble] sets all of it (PUT, GET and DELETE /_trouble), and a part of
// it is set by [Server.Fail] and [Server.Delay] for answers over HTTP,
// [Server.Garble] for messages, [Server.SetNetwork] for media packets and
// [Server.Show] for pictures. What happens once is a method, an [Incident] for
// [Server.Happen], and POST /_trouble/INCIDENT: [Server.Drop], [Server.Mute],
// [Server.EndSessions] (with ?reason=), [Server.Moderate], [Server.Crash] and
// [Server.Restart], [Server.ExpireTokens].
package sessiontest
