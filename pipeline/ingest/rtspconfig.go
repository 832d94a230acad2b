package ingest

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// RTSPConfig is the source that plays a camera, or any other server of RTSP. One
// that is not there, or goes away, is tried again, after a second at first and
// after half a minute at most. Of the video that it offers, the first that can be
// decoded is played. Pictures are all that is taken: sound beside them is left out.
type RTSPConfig struct {
	// RTSP is the URL, rtsp:// or, over TLS, rtsps://. A user and a password in it
	// appear in no log.
	RTSP string `yaml:"rtsp"`
	// User that the server knows, where it is not in the URL.
	User string `yaml:"user"`
	// Password of the user.
	Password string `yaml:"password"`
	// CA is the path, relative to the pipeline's file, of certificates in PEM that
	// an rtsps server may show, or be signed by; those that the system trusts if
	// nothing is said. Cameras mostly sign their own.
	CA string `yaml:"ca"`
	// Transport of the packets: tcp comes through wherever the connection does, udp
	// does not wait for what is lost, multicast shares the packets with others,
	// auto tries udp and then tcp.
	Transport string `yaml:"transport" oneof:"tcp,udp,multicast,auto"`

	Receiving `yaml:",inline"`
}

func defaultRTSP() RTSPConfig {
	return RTSPConfig{Transport: "tcp", Receiving: defaultReceiving()}
}

// Validate reports every field that is wrong.
func (c *RTSPConfig) Validate() error {
	var errs []error
	if _, err := c.url(); err != nil {
		errs = append(errs, err)
	}
	if c.Password != "" && c.User == "" {
		errs = append(errs, errors.New("password: must go with a user"))
	}
	if c.CA != "" && !strings.HasPrefix(c.RTSP, "rtsps:") {
		errs = append(errs, errors.New("ca: must go with an rtsps URL"))
	}
	if _, known := rtspTransports()[c.Transport]; !known {
		errs = append(errs, fmt.Errorf("transport: must be tcp, udp, multicast or auto, got %q", c.Transport))
	}
	return errors.Join(append(errs, c.problems()...)...)
}

// url is the URL with the credentials in it. An error does not repeat them.
func (c *RTSPConfig) url() (*url.URL, error) {
	u, err := url.Parse(c.RTSP)
	if err != nil || u.Scheme != "rtsp" && u.Scheme != "rtsps" || u.Host == "" {
		return nil, errors.New("rtsp: must be a URL such as rtsp://camera.local:554/stream")
	}
	if c.User != "" {
		u.User = url.UserPassword(c.User, c.Password)
	}
	return u, nil
}
