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
// Trouble is made on demand: [Server.Fail] and [Server.Delay] for HTTP,
// [Server.SetLoss] for packets, [Server.Drop], [Server.Mute], [Server.Freeze] and
// [Server.EndSessions] for whole connections and sessions.
package sessiontest
