package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Peer is the session with a model that is named outside of a pipeline's file:
// the name of a model in the cloud, the URL of a local runtime, or nothing where
// the environment names it. env looks up a variable.
func Peer(name string, env func(string) (string, bool)) (Session, error) {
	s := Session{Model: name}
	if isURL(name) {
		s.Model, s.URL = "", name
	}
	if addressOf(s.Model) != "" {
		return Session{}, fmt.Errorf("must be a model's name, or an http or https URL such as %s, got %s", localURL, shorten(name))
	}
	if err := s.complete(env, name != ""); err != nil {
		return Session{}, err
	}
	if s.Model == "" && s.URL == "" {
		return Session{}, errors.New("which model? Name one, such as reactor/x2, or the URL of a local runtime")
	}
	return s, nil
}

// complete honours the variables that the official examples honour. What s says
// already goes before them; chosen says that it names its peer.
func (s *Session) complete(env func(string) (string, bool), chosen bool) error {
	variable := func(name string) string {
		if env == nil {
			return ""
		}
		value, _ := env(name)
		return value
	}
	var err error
	if !chosen {
		s.Model = variable("REACTOR_MODEL")
	}
	if !chosen && addressOf(s.Model) != "" {
		return fmt.Errorf("REACTOR_MODEL: must be a name such as reactor/x2, got an address: %s is for REACTOR_API_URL", shorten(s.Model))
	}
	if s.URL == "" && (s.Model != "" || !chosen) {
		s.URL = variable("REACTOR_API_URL")
		if s.URL != "" && !isURL(s.URL) {
			err = fmt.Errorf("REACTOR_API_URL: must be an http or https URL, got %s", shorten(s.URL))
		}
		s.Local = !slices.Contains([]string{"", "0", "false", "no"}, strings.ToLower(variable("REACTOR_LOCAL")))
		if s.Local && s.URL == "" {
			s.URL = localURL
		}
	}
	s.Local = s.Local || s.Model == ""
	if s.Local {
		return err // the keys in the environment are for the cloud
	}
	if s.APIKey == "" {
		s.APIKey = variable("REACTOR_API_KEY")
	}
	if s.Token == "" {
		s.Token = variable("REACTOR_JWT")
	}
	return err
}

// hostAndPort is the address of a server without its scheme.
var hostAndPort = regexp.MustCompile(`^[A-Za-z0-9.-]+:[0-9]+(/|$)`)

// addressOf returns the URL that somebody wrote where a model's name belongs, "" for
// a name.
func addressOf(model string) string {
	switch {
	case strings.Contains(model, "://"):
		return model
	case hostAndPort.MatchString(model):
		return "http://" + model
	}
	return ""
}
