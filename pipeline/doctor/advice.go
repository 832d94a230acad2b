package doctor

import (
	"errors"

	"github.com/reactorpipe/reactorpipe/sdk"
)

// advice says what to do about a step that failed.
func advice(step sdk.Step, err error) string {
	switch {
	case errors.Is(err, sdk.ErrNoCodec):
		return "the model sends none of vp8, vp9 and h264: set the source's codecs"
	case step == sdk.StepSession:
		return adviceAPI(err)
	case step == sdk.StepICE:
		return "UDP gets through in neither direction: open it in the firewall, or set session.ice_servers to a TURN server, over TCP or TLS if need be"
	case step == sdk.StepDTLS:
		return "something between the two sides changes or drops packets: a middlebox, or an MTU below 1200"
	case step == sdk.StepChannels:
		return "the media path works, SCTP over it does not: the server may be overrun, or packets above some size are dropped"
	}
	return "the server or something before it does not speak the session protocol: is the address right?"
}

// adviceAPI says what to do about what the coordinator or runtime answered.
func adviceAPI(err error) string {
	var e *sdk.Error
	switch {
	case errors.Is(err, sdk.ErrUnauthorized):
		return "the key or token is not, or no longer, good here, or not for this model: make another, check REACTOR_API_URL"
	case errors.Is(err, sdk.ErrNotFound):
		return "there is no such model here: its name is owner/name"
	case errors.Is(err, sdk.ErrConflict):
		return "another client has the session: end it, or wait"
	case errors.Is(err, sdk.ErrRateLimited):
		return "too many sessions, or too many in a short time: end some, or wait"
	case errors.Is(err, sdk.ErrTimeout):
		return "the server is slow or overrun: try again"
	case errors.As(err, &e) && e.Status >= 500:
		return "the server is in trouble, not you: try again later"
	case errors.As(err, &e) && e.Code == sdk.CodeNetwork:
		return "the connection broke: try again"
	}
	return ""
}
