package gateway

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/transaction"
)

// hostile are bodies in which two readers might find different things.
var hostile = map[string]string{
	"a name twice":             `{"a":1,"a":2}`,
	"a name twice, escaped":    `{"a":1,"\u0061":2}`,
	"a name twice, deep":       `{"a":[{"b":{"c":1,"c":1}}]}`,
	"too deep":                 strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
	"too deep in lists":        `{"a":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`,
	"much too deep":            strings.Repeat("[", 1<<20),
	"too large":                `{"a":"` + strings.Repeat("x", 4<<20) + `"}`,
	"too many values":          `{"a":[` + strings.Repeat("1,", 100_000) + `1]}`,
	"not UTF-8":                "{\"a\":\"\xff\"}",
	"half a character":         "{\"a\":\"\xc3\"}",
	"an overlong character":    "{\"a\":\"\xc0\xaf\"}",
	"Latin-1":                  "{\"a\":\"caf\xe9\"}",
	"UTF-16":                   "\xff\xfe{\x00}\x00",
	"a byte order mark":        "\ufeff{}",
	"something behind it":      `{"a":1} {"a":2}`,
	"a brace behind it":        `{"a":1}}`,
	"a NUL behind it":          "{\"a\":1}\x00",
	"no end":                   `{"a":1`,
	"a comment":                `{"a":1/**/}`,
	"a comma too many":         `{"a":1,}`,
	"single quotes":            `{'a':1}`,
	"a number of another kind": `{"a":0x10}`,
	"NaN":                      `{"a":NaN}`,
	"a control character":      "{\"a\":\"\x01\"}",
	"a list":                   `[1]`,
	"a text":                   `"a"`,
	"nothing but blanks":       `   `,
}

// Every write to the iLO is strict JSON, whatever it says to be and whether it is
// staged or not, unless an admin has switched that off.
func TestWritesAreStrictJSON(t *testing.T) {
	n := &next{}
	all := openClients(t, clients.DefaultLimits())
	staged, err := transaction.New(transaction.Options{Next: n, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer staged.Close()
	g := newGateway(t, Options{Clients: all, Next: Way(staged, all), Transactions: staged})
	types := [][]string{
		nil, {"Content-Type", "application/json"}, {"Content-Type", "application/json; charset=utf-16"}, {"Content-Type", "application/merge-patch+json"},
		{"Content-Type", "text/plain"}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "application/json", "Content-Type", "text/plain"},
		{"Content-Type", ";"}, {"Content-Type", "application/json", "Ilod-Transaction", "immediate"}, {"Content-Type", "application/octet-stream"},
	}
	for name, body := range hostile {
		for i, header := range types {
			looks := strings.HasPrefix(strings.TrimLeft(body, "\ufeff "), "{") || strings.HasPrefix(body, "[")
			if plain := i == 4 || i == 5 || i == 9; plain && !looks {
				continue // it is what it says
			}
			for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
				if len(body) > 1<<16 && method != "PATCH" {
					continue
				}
				wantFailure(t, ask(g, &operator, method, "/redfish/v1/Systems/1", body, header...), 400, "MalformedJSON")
			}
			wantFailure(t, ask(g, &operator, "PATCH", "/ilod/v1/active/Systems/1", body, header...), 405, "OperationNotAllowed")
		}
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		_, _ = z.Write([]byte(body))
		_ = z.Close()
		wantFailure(t, ask(g, &operator, "PUT", "/redfish/v1/Systems/1", zipped.String(), "Content-Encoding", "gzip"), 400, "MalformedJSON")
		if n.count() != 0 {
			t.Fatalf("%s reached the iLO", name)
		}
	}
	wantFailure(t, ask(g, &operator, "PUT", "/redfish/v1/Systems/1", "{}", "Content-Encoding", "br"), 415, "HeaderInvalid")
	wantFailure(t, ask(g, &operator, "PUT", "/redfish/v1/Systems/1", "{}", "Content-Encoding", "gzip", "Content-Encoding", "gzip"), 415, "HeaderInvalid")
	wantFailure(t, ask(g, &operator, "PUT", "/redfish/v1/Systems/1", "{}", "Content-Encoding", "gzip"), 400, "HeaderInvalid")
	if n.count() != 0 {
		t.Fatal("a body that nobody can read reached the iLO")
	}

	// Good JSON, and bodies that are not JSON, go on as they are.
	for _, c := range []struct{ body, kind string }{
		{`{"a":{"b":[1,{"c":1},{"c":1}]},"b":1}` + "\r\n", "application/json"}, {`{}`, ""}, {"", "application/json"}, {"--a\r\n\r\n{}", `multipart/form-data; boundary="a"`}, {"\x00\x01", "application/octet-stream"},
		{strings.Repeat(`{"a":`, 32) + "1" + strings.Repeat("}", 32), ""}, {`{"a":"é\ud83d\ude00"}`, ""}, {`{"a":"` + strings.Repeat("x", 1<<20) + `"}`, ""},
	} {
		if w := ask(g, &operator, "POST", "/redfish/v1/Systems/1", c.body, "Content-Type", c.kind); w.Code != 200 {
			t.Errorf("%.40q: %d %s", c.body, w.Code, w.Body)
		}
		if _, body := n.last(); body != c.body {
			t.Errorf("%.40q became %.40q", c.body, body)
		}
	}

	// The switch is for admins.
	wantFailure(t, ask(g, &operator, "PATCH", "/ilod/v1/limits", `{"strictJSON":false}`), 403, "InsufficientPrivilege")
	if w := ask(g, &root, "PATCH", "/ilod/v1/limits", `{"strictJSON":false}`); w.Code != 200 || !strings.Contains(w.Body.String(), `"strictJSON":false`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for name, body := range hostile {
		if w := ask(g, &operator, "PATCH", "/redfish/v1/Systems/1", body); w.Code != 200 {
			t.Errorf("%s, switched off: %d %s", name, w.Code, w.Body)
		}
		if _, sent := n.last(); sent != body {
			t.Errorf("%s became %.40q", name, sent)
		}
	}
	// Into a transaction it goes in no case, and the agent's own resources take no
	// other.
	if w := ask(g, &operator, "POST", "/ilod/v1/transaction", ""); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	before := n.count()
	for name, body := range hostile {
		status, key := 400, "MalformedJSON"
		if len(body) > 256<<10 { // too large to be staged, whatever it is
			status, key = 413, "PayloadTooLarge"
		}
		wantFailure(t, ask(g, &operator, "PATCH", "/redfish/v1/Systems/1", body), status, key)
		if len(body) < maxSettings && strings.TrimSpace(body) != "" {
			wantFailure(t, ask(g, &root, "PATCH", "/ilod/v1/limits", body), 400, "MalformedJSON")
		}
		if n.count() != before {
			t.Errorf("%s reached the iLO", name)
		}
	}
	if w := ask(g, &root, "PATCH", "/ilod/v1/limits", `{"strictJSON":null}`); w.Code != 200 || !all.Limits().StrictJSON {
		t.Errorf("null is not the default: %d %s", w.Code, w.Body)
	}
}
