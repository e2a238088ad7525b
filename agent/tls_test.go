package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// freePort is an address on which nobody listens.
func freePort(t *testing.T) string {
	t.Helper()
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer probe.Close()
	return probe.Addr().String()
}

// overTLS is a client that trusts the agent's certificate, and the body of a login.
func (h *host) overTLS(t *testing.T) (client *http.Client, login string) {
	t.Helper()
	trusted := x509.NewCertPool()
	certificate, err := os.ReadFile(filepath.Join(h.config.RuntimeDir, tlsCertificate))
	if err != nil || !trusted.AppendCertsFromPEM(certificate) {
		t.Fatalf("%v: %s", err, certificate)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}
	t.Cleanup(transport.CloseIdleConnections)
	var account struct {
		UserName string `toml:"username"`
		Password string `toml:"password"`
	}
	if _, err := toml.DecodeFile(filepath.Join(h.config.RuntimeDir, tlsLogin), &account); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(account)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: transport}, string(body)
}

func ask(t *testing.T, client *http.Client, base, method, path, body, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestTLS(t *testing.T) {
	h := newHost(t, redfish.Options{})
	h.config.TLS.Listen = freePort(t)
	r := h.run(t, h.options(t))
	client, login := h.overTLS(t)
	do := func(method, path, body, token string) *http.Response {
		t.Helper()
		return ask(t, client, "https://"+h.config.TLS.Listen, method, path, body, token)
	}
	if resp := do("GET", "/redfish/v1/Systems/1/", "", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without login: %s", resp.Status)
	}
	name := filepath.Join(h.config.RuntimeDir, tlsLogin)
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	resp := do("POST", "/redfish/v1/SessionService/Sessions", login, "")
	token := resp.Header.Get("X-Auth-Token")
	if resp.StatusCode != http.StatusCreated || token == "" {
		t.Fatalf("login: %s", resp.Status)
	}
	if resp := do("GET", "/redfish/v1/Systems/1/", "", token); resp.StatusCode != http.StatusOK {
		t.Errorf("logged in: %s", resp.Status)
	}
	if resp := do("DELETE", resp.Header.Get("Location"), "", token); resp.StatusCode != http.StatusNoContent && resp.StatusCode != http.StatusOK {
		t.Errorf("logout: %s", resp.Status)
	}
	if resp := do("GET", "/redfish/v1/Systems/1/", "", token); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("after logout: %s", resp.Status)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

func (r *running) status(t *testing.T) (s api.Status) {
	t.Helper()
	code, body, err := r.get("/ilod/v1/status")
	if err != nil || code != http.StatusOK || json.Unmarshal([]byte(body), &s) != nil {
		t.Fatalf("status: %d, %v: %s", code, err, body)
	}
	return s
}

const sessionsPath = "/redfish/v1/SessionService/Sessions"

// TestAnOccupiedPortDoesNotKeepTheSocketFromServing: the status says what is wrong
// with the TLS listener, and it listens when the port is free.
func TestAnOccupiedPortDoesNotKeepTheSocketFromServing(t *testing.T) {
	defer func(d time.Duration) { tlsPause = d }(tlsPause)
	tlsPause = time.Millisecond
	h := newHost(t, redfish.Options{})
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.config.TLS.Listen = other.Addr().String()
	r := h.run(t, h.options(t))
	if s := r.status(t); s.TLS == nil || s.TLS.Address != h.config.TLS.Listen || s.TLS.Error == "" {
		t.Errorf("status %+v", s.TLS)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	for s := r.status(t); s.TLS.Error != ""; s = r.status(t) {
		time.Sleep(time.Millisecond)
	}
	client, login := h.overTLS(t)
	if resp := ask(t, client, "https://"+h.config.TLS.Listen, "POST", sessionsPath, login, ""); resp.StatusCode != http.StatusCreated {
		t.Error(resp.Status)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

// TestLoginsOfAccountsEndWithTheAgent: another program may have had the port in
// between, and have been shown the handle. Sessions of the socket go on.
func TestLoginsOfAccountsEndWithTheAgent(t *testing.T) {
	h := newHost(t, redfish.Options{})
	h.config.TLS.Listen = freePort(t)
	r := h.run(t, h.options(t))
	client, login := h.overTLS(t)
	remote := ask(t, client, "https://"+h.config.TLS.Listen, "POST", sessionsPath, login, "").Header.Get("X-Auth-Token")
	local := ask(t, r.client, "http://ilo", "POST", sessionsPath, "", "").Header.Get("X-Auth-Token")
	r.stop()
	if err := <-r.result; err != nil {
		t.Fatal(err)
	}
	r = h.run(t, h.options(t))
	client, _ = h.overTLS(t)
	if resp := ask(t, client, "https://"+h.config.TLS.Listen, "GET", "/redfish/v1/Systems/1/", "", remote); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("of the account: %s", resp.Status)
	}
	if resp := ask(t, r.client, "http://ilo", "GET", "/redfish/v1/Systems/1/", "", local); resp.StatusCode != http.StatusOK {
		t.Errorf("of the socket: %s", resp.Status)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}

// tcpSocket is what a service manager gives that holds a TCP port beside the socket.
func tcpSocket(t *testing.T) func(context.Context) ([]net.Listener, error) {
	return func(context.Context) ([]net.Listener, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		t.Cleanup(func() {
			if err == nil && !errors.Is(l.Close(), net.ErrClosed) {
				t.Error("the socket was left open")
			}
		})
		return []net.Listener{l}, err
	}
}

// TestTLSOnTheServiceManagersPort: the port is never free for another program.
func TestTLSOnTheServiceManagersPort(t *testing.T) {
	h := newHost(t, redfish.Options{})
	o := h.options(t)
	listen := o.Serving.Listen
	o.Serving.Listen = func(ctx context.Context) ([]net.Listener, error) {
		local, err := listen(ctx)
		if err != nil {
			return nil, err
		}
		held, err := tcpSocket(t)(ctx)
		return append(local, held...), err
	}
	o.Config.TLS.Listen = "127.0.0.1:1" // which root alone could open, and nobody does
	r := h.run(t, o)
	s := r.status(t)
	if s.TLS == nil || s.TLS.Error != "" || s.TLS.Address == o.Config.TLS.Listen {
		t.Fatalf("status %+v", s.TLS)
	}
	client, login := h.overTLS(t)
	if resp := ask(t, client, "https://"+s.TLS.Address, "POST", sessionsPath, login, ""); resp.StatusCode != http.StatusCreated {
		t.Error(resp.Status)
	}
	r.stop()
	if err := <-r.result; err != nil {
		t.Error(err)
	}
}
