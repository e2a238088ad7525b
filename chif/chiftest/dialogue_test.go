package chiftest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// capture is the part of the observed bytes that a simulator needs
// (../testdata/README.md).
type capture struct {
	Dialogues []dialogue `json:"dialogues"`
}

type dialogue struct {
	Title   string `json:"title"`
	Command string `json:"command"`
	Packets []struct {
		Dir  string `json:"dir"`
		Chan int    `json:"chan"`
		Hex  string `json:"hex"`
	} `json:"packets"`
}

func loadDialogues(tb testing.TB) []dialogue {
	tb.Helper()
	raw, err := os.ReadFile("../testdata/chif-vectors.json")
	if err != nil {
		tb.Fatal(err)
	}
	var c capture
	if err := json.Unmarshal(raw, &c); err != nil {
		tb.Fatal(err)
	}
	if len(c.Dialogues) != 20 {
		tb.Fatalf("%d dialogues, want 20", len(c.Dialogues))
	}
	return c.Dialogues
}

const (
	capturedToken   = "00000000000000000000000000000002"
	capturedSession = "/redfish/v1/SessionService/Sessions/user00001/"
)

// TestDialogues replays what HPE's client sent in each captured dialogue and
// judges the answers as that client does (PROTOCOL.md §2, §3). INFO and
// READ packets depend on the sizes of answers, which are ours, so they are sent
// when an answer asks for them; token and session are those of the simulator.
func TestDialogues(t *testing.T) {
	t.Run("generated tree", func(t *testing.T) { replayDialogues(t, tree.Generate(tree.GenerateOptions{})) })
	t.Run("real tree", func(t *testing.T) {
		resources, err := tree.Load(filepath.Join(tree.Testdata(t), "trees", "ilo5-3.11-dl360-gen10plus.jsonl.gz"))
		if err != nil {
			t.Fatal(err)
		}
		replayDialogues(t, resources)
	})
}

func replayDialogues(t *testing.T, resources *tree.Tree) {
	all := t
	var r *replay
	for _, d := range loadDialogues(t) {
		t.Run(d.Title, func(t *testing.T) {
			if strings.Contains(d.Command, " login") || strings.Contains(d.Command, "--nocache") {
				o, status := redfish.Options{Tree: resources}, DefaultStatus()
				if strings.Contains(d.Title, "gzip") {
					o.Gzip = redfish.GzipAll
				}
				if strings.Contains(d.Title, "high security") {
					status.SecurityState = chif.SecurityHigh
				}
				service, err := redfish.New(o)
				if err != nil {
					t.Fatal(err)
				}
				// HPE's client keeps all other rules: it negotiates, and leaves its
				// large requests. The sequences of INFO and READ are this test's.
				allow := []HostRule{RuleCommands, RuleBlobs, RuleSequence}
				r = &replay{server: New(all, Options{Handler: service, Status: &status, Allow: allow})}
			}
			var rules []Rule
			if r.asBlob = strings.Contains(d.Title, "via blob"); r.asBlob {
				rules = append(rules, Rule{Fault: FaultAsBlob})
			}
			setRules(t, r.server, rules...)
			r.run(t, d)
			if !strings.Contains(d.Title, "high security") && r.requests == 0 && !strings.Contains(d.Command, "types") {
				t.Error("no HTTP request was replayed")
			}
			if strings.Contains(d.Command, "logout") || strings.Contains(d.Command, "--nocache") {
				if err := r.server.Check(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// replay is HPE's client at work on one server.
type replay struct {
	server         *Server
	asBlob         bool
	token, session string // of the simulator
	requests       int    // HTTP requests of the last dialogue
}

func (r *replay) run(t *testing.T, d dialogue) {
	hosts := map[int]*host{}
	r.requests = 0
	for _, p := range d.Packets {
		switch p.Dir {
		case "open":
			hosts[p.Chan] = newHost(t, r.server)
		case "close":
			hosts[p.Chan].port.Close()
		case "req":
			packet, err := hex.DecodeString(p.Hex)
			if err != nil {
				t.Fatal(err)
			}
			r.request(t, hosts[p.Chan], packet)
		}
	}
}

// request sends one captured packet.
func (r *replay) request(t *testing.T, h *host, packet []byte) {
	if r.token != "" {
		packet = bytes.ReplaceAll(packet, []byte(capturedToken), []byte(r.token))
	}
	switch le.Uint16(packet[4:]) {
	case commandStatus:
		if a := r.exchange(t, h, packet, statusLen); len(a) != statusLen || le.Uint32(a[8:]) != 0 {
			t.Errorf("security probe answered % x", a)
		}
		return
	case commandPing:
		r.exchange(t, h, packet, 16)
		return
	case 0x0140:
		if a := r.exchange(t, h, packet, 3602); le.Uint16(a[4:]) != commandBad {
			t.Errorf("negotiation answered % x", a)
		}
		return
	}
	switch op := blobOps[le.Uint32(packet[8:])]; op {
	case OpInfo, OpRead: // sent by fetch
	case OpREST:
		r.rest(t, h, r.rename(packet))
	default:
		a := r.exchange(t, h, packet, chif.MaxPacket)
		if code := chif.Code(le.Uint32(a[8:])); code != chif.CodeSuccess && (code != chif.CodeNotModified || op != OpDelete) {
			t.Errorf("%s answered %v", op, code)
		}
	}
}

// rename puts the simulator's session in place of the captured one.
func (r *replay) rename(packet []byte) []byte {
	if r.session == "" || le.Uint32(packet[12:]) != 0 {
		return packet
	}
	packet = bytes.Replace(packet, []byte(capturedSession), []byte(r.session), 1)
	le.PutUint16(packet, uint16(len(packet)))
	le.PutUint32(packet[64:], uint32(len(packet)-restLen))
	return packet
}

// exchange applies the rules for any answer: sequence, and sizes in a buffer of
// so many bytes.
func (r *replay) exchange(t *testing.T, h *host, packet []byte, buffer int) []byte {
	t.Helper()
	if err := h.port.Submit(packet); err != nil {
		t.Fatal(err)
	}
	a := h.receive()
	a = a[:min(len(a), buffer)]
	switch size := int(le.Uint16(a)); {
	case le.Uint16(a[2:]) != le.Uint16(packet[2:]):
		t.Fatalf("sequence %#x, want %#x", le.Uint16(a[2:]), le.Uint16(packet[2:]))
	case size < headerLen || size > len(a):
		t.Fatalf("size field %d with %d bytes received", size, len(a))
	default:
		a = a[:size]
	}
	return a
}

// rest sends a REST packet, gets the HTTP message and judges it.
func (r *replay) rest(t *testing.T, h *host, packet []byte) {
	t.Helper()
	a := r.exchange(t, h, packet, chif.MaxPacket)
	if code := le.Uint32(a[8:]); code != 0 || len(a) < 20 {
		t.Fatalf("REST code %d in a packet of %d", code, len(a))
	}
	message := a[20:]
	switch mode := le.Uint32(a[12:]); {
	case mode == 1:
		message = r.fetch(t, h, string(bytes.TrimRight(packet[32:64], "\x00")))
	case mode != 0 || r.asBlob:
		t.Fatalf("receive mode %d", mode)
	case int(le.Uint32(a[16:])) != len(message):
		t.Fatalf("inline length %d of %d", le.Uint32(a[16:]), len(message))
	}
	r.requests++
	method := "GET"
	if le.Uint32(packet[12:]) == 0 {
		method, _, _ = strings.Cut(string(packet[restLen:]), " ")
	}
	resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(message)), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%v in %.200q", err, message)
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.Header.Get("Content-Encoding") == "gzip" {
		var z *gzip.Reader
		if z, err = gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(z)
		}
	}
	if err != nil || len(body) > 0 && !json.Valid(body) {
		t.Fatalf("%s: body of %d bytes: %v", resp.Status, len(body), err)
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		t.Errorf("%s: %.200q", resp.Status, body)
	}
	if method == http.MethodPost {
		r.login(t, resp)
	}
	if bytes.Contains(packet, []byte("GET /redfish/v1/ResourceDirectory/ ")) {
		checkDirectory(t, resp, body)
	}
}

// fetch reads and keeps the blob under a response key; the captured DELETE follows.
func (r *replay) fetch(t *testing.T, h *host, key string) (data []byte) {
	t.Helper()
	a := r.exchange(t, h, infoPacket(key), chif.MaxPacket)
	if le.Uint32(a[8:]) != 0 || len(a) != infoAnswerLen {
		t.Fatalf("INFO answered %d in %d bytes", le.Uint32(a[8:]), len(a))
	}
	for size := int(le.Uint32(a[12:])); len(data) < size; {
		count := min(size-len(data), 3868)
		a := r.exchange(t, h, readPacket(key, uint32(len(data)), uint32(count)), chif.MaxPacket)
		n := int(le.Uint32(a[12:]))
		if n == 0 || n > count || len(a) < 16+n {
			t.Fatalf("READ of %d answered %d bytes in a packet of %d", count, n, len(a))
		}
		data = append(data, a[16:16+n]...)
	}
	return data
}

// login takes token and session as the client does: it deletes the text
// "https://" from Location and uses the rest as a path (PROTOCOL.md §3).
func (r *replay) login(t *testing.T, resp *http.Response) {
	t.Helper()
	r.token = resp.Header.Get("X-Auth-Token")
	r.session = strings.ReplaceAll(strings.Replace(resp.Header.Get("Location"), "https://", "", 1), " ", "%20")
	if resp.StatusCode != http.StatusCreated || len(r.token) != len(capturedToken) || !strings.HasPrefix(r.session, "/redfish/v1/") {
		t.Fatalf("login answered %s, token %q, session %q", resp.Status, r.token, r.session)
	}
}

// checkDirectory: the client's discovery needs the ETag of each instance
// (PROTOCOL.md §3).
func checkDirectory(t *testing.T, resp *http.Response, body []byte) {
	t.Helper()
	type instance struct {
		ID   string `json:"@odata.id"`
		ETag *string
	}
	var d struct{ Instances []instance }
	if err := json.Unmarshal(body, &d); err != nil || resp.StatusCode != http.StatusOK || len(d.Instances) == 0 {
		t.Fatalf("%s: %d instances, %v", resp.Status, len(d.Instances), err)
	}
	for _, x := range d.Instances {
		if x.ETag == nil {
			t.Errorf("%s has no ETag in the ResourceDirectory: HPE's client ends its login with an error", x.ID)
		}
	}
}
