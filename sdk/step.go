package sdk

import "github.com/pion/webrtc/v4"

// Step is a part of connecting.
type Step string

// The steps of connecting, in their order. The calls that tell of two may overlap.
const (
	StepCreated    Step = "created"    // the server has made the session; not for one that is adopted, nor again for a reconnect
	StepSession    Step = "session"    // the session is there, and what it offers is known
	StepSignalling Step = "signalling" // offer and answer were exchanged
	StepICE        Step = "ice"        // a path between the two sides was found
	StepDTLS       Step = "dtls"       // they encrypt to each other
	StepChannels   Step = "channels"   // both data channels are open
)

// took tells that a step of connecting is done.
func (c Config) took(s Step) {
	if c.Trace != nil {
		c.Trace(s)
	}
}

// iceChanged tells when there is a path.
func (c *conn) iceChanged(state webrtc.ICEConnectionState) {
	if state == webrtc.ICEConnectionStateConnected {
		c.found.Do(func() {
			c.session.cfg.took(StepICE)
			close(c.path)
		})
	}
}
