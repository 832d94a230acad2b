package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/reactorpipe/reactorpipe/pipeline/expr"
)

const (
	mainSession = "main"
	defaultWait = 60 * time.Second
	// localURL is where a local runtime listens by default.
	localURL = "http://localhost:8080"
)

func (l *loader) sessions(c *component, root *yaml.Node, f pipelineFile) {
	if has(root, "session") {
		l.session(mainSession, "session", keyNode(root, "session"), entry(root, "session"))
	}
	if f.Sessions == nil {
		return
	}
	if has(root, "session") {
		c.wrong(keyNode(root, "sessions"), "", "session is short for sessions: {%s: …}; write one of the two", mainSession)
		return
	}
	c.entries(f.Sessions, "sessions", func(name string, key, value *yaml.Node) {
		if !nodeName.MatchString(name) {
			c.wrong(key, "sessions", "a name is lower-case letters, digits and _, beginning with a letter, got %s", orNothing([]byte(name)))
		}
		l.session(name, fmt.Sprintf("session %q", name), key, target(value))
	})
}

func (l *loader) session(name, label string, key, n *yaml.Node) {
	c := &component{decoder: l.decoder, about: label}
	f := newSessionFile()
	c.into(n, &f)
	s := Session{
		Name: name, Line: key.Line, Model: f.Model, URL: f.URL, Sim: f.Sim, APIKey: f.APIKey, Token: f.Token,
		OnExit: f.OnExit, Wait: f.Wait.Std(), ICEServers: f.ICEServers,
	}
	l.peer(c, &s, key, n)
	if s.OnExit != "end" && s.OnExit != "leave" {
		c.wrong(keyNode(n, "on_exit"), "on_exit", "must be end or leave, got %s", orNothing([]byte(s.OnExit)))
	}
	for i, server := range s.ICEServers {
		if problem := iceServerProblem(server); problem != "" {
			c.wrong(find(n, item("ice_servers", i)), item("ice_servers", i), "%s, got %s", problem, orNothing([]byte(server)))
		}
	}
	l.commands(c, n, f.Commands)
	s.Start = l.moment(c, n, "start", f.Start)
	s.Stop = l.moment(c, n, "stop", f.Stop)
	s.OnStall, s.StallAfter = l.moment(c, n, "on_stall", f.OnStall), f.StallAfter.Std()
	s.Commands = f.Commands
	l.life(c, n, f, &s)
	l.spec.Sessions = append(l.spec.Sessions, s)
}

// iceServerProblem says what is wrong with the URL of a server, "" for nothing.
// Nothing is wrong with one that has a password.
func iceServerProblem(server string) string {
	scheme, rest, _ := strings.Cut(server, ":")
	switch {
	case !slices.Contains([]string{"stun", "stuns", "turn", "turns"}, scheme) || rest == "":
		return "must begin with stun:, turn: or turns:"
	case strings.HasPrefix(scheme, "turn") && !turnCredentials.MatchString(rest):
		return "must have a user and a password, as in turns:user:password@host:443?transport=tcp"
	}
	return ""
}

// turnCredentials are what a TURN server's URL has behind its scheme.
var turnCredentials = regexp.MustCompile(`^[^:@]+:[^@]+@[^@]+$`)

// peer finds out whom the session is with.
func (l *loader) peer(c *component, s *Session, key, n *yaml.Node) {
	var chosen []string
	for _, k := range []string{"model", "url", "sim"} {
		if has(n, k) {
			chosen = append(chosen, k)
		}
	}
	switch {
	case len(chosen) > 1:
		c.wrong(key, "", "%s exclude each other", and(chosen))
		return
	case len(chosen) == 1 && isNull(entry(n, chosen[0])) && chosen[0] == "sim":
		s.Sim = &Sim{}
	}
	if s.Sim != nil {
		l.sim(c, s.Sim, entry(n, "sim"))
		return
	}
	if address := addressOf(s.Model); address != "" {
		c.wrong(keyNode(n, "model"), "model", "must be a name such as reactor/x2, got an address: that of a local runtime is url: %s", shorten(address))
		return
	}
	if s.URL != "" && !isURL(s.URL) {
		c.wrong(keyNode(n, "url"), "url", "must be an http or https URL, got %s", shorten(s.URL))
	}
	l.fromEnvironment(c, s, key, len(chosen) > 0)
}

// fromEnvironment looks into the environment for what the file does not say.
func (l *loader) fromEnvironment(c *component, s *Session, key *yaml.Node, chosen bool) {
	if err := s.complete(l.env, chosen); err != nil {
		c.wrong(key, "", "%v", err)
	}
	if s.Model == "" && s.URL == "" && !chosen {
		c.wrong(key, "", "needs model, url or sim, such as {model: reactor/x2}")
	}
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func (l *loader) sim(c *component, s *Sim, n *yaml.Node) {
	for _, path := range []*string{&s.Clip, &s.Loop, &s.Schema} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(l.spec.Dir, *path)
		}
	}
	wrong := func(key, format string, args ...any) {
		c.wrong(keyNode(n, key), "sim."+key, format, args...)
	}
	if s.Loop != "" {
		for _, key := range []string{"clip", "codec", "width", "height", "fps"} {
			if has(n, key) {
				wrong(key, "does not go with loop, which is sent as it is")
			}
		}
	}
	if s.NeedsImage && s.Loop+s.Schema != "" {
		wrong("needs_image", "is of the built-in model's picture, and goes with neither loop nor schema")
	}
	codecs := []string{"vp8", "vp9", "h264", "av1"}
	if s.Codec != "" && !slices.Contains(codecs, s.Codec) {
		wrong("codec", "must be %s, got %s", or(codecs), shorten(s.Codec))
	}
	if s.Width < 0 || s.Height < 0 || (s.Width == 0) != (s.Height == 0) {
		wrong("width", "and height must be positive, got %dx%d", s.Width, s.Height)
	}
}

// moment reads the commands for one moment of a session's life.
func (l *loader) moment(c *component, n *yaml.Node, key string, files []startFile) []SessionCommand {
	var commands []SessionCommand
	items := contents(entry(n, key))
	for i, f := range files {
		path, at := item(key, i), target(items[i])
		if !has(at, "command") {
			c.wrong(at, path, "command is missing")
		}
		commands = append(commands, SessionCommand{
			Command: f.Command, Wait: f.Wait, Line: at.Line, Data: l.constants(c, at, path+".data", f.Data),
		})
	}
	return commands
}

// constants reads the arguments of a command that is sent before there are
// frames.
func (l *loader) constants(c *component, at *yaml.Node, path string, n *yaml.Node) expr.Value {
	var v expr.Value
	if n == nil || isNull(n) {
		return v
	}
	if n.Kind != yaml.MappingNode {
		c.wrong(keyNode(at, "data"), path, "must be a map of arguments, got %s", got(n))
		return v
	}
	before := len(l.all)
	c.value(n, settable(&v), path)
	if len(l.all) > before {
		return v
	}
	c.check(&expr.Scope{Dir: l.spec.Dir})
	c.checks = nil
	if _, constant := v.Const(); !constant && len(l.all) == before {
		c.wrong(keyNode(at, "data"), path, "holds constants only: there are no frames yet")
	}
	return v
}
