package freshness

import (
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostileLinks are bodies of about n bytes in which each link could be looked for to
// the end.
func hostileLinks(n int) map[string]string {
	of := func(part string) string { return strings.Repeat(part, n/len(part)) }
	return map[string]string{
		"strings without end": of(`"@odata.id":"a\\"`), "lists": of(`"@odata.id":[`), "objects": of(`{"@odata.id":{"a":`),
		"blanks": of(`"@odata.id" `), "links": of(`"@odata.id":"/redfish/v1/a",`), "numbers": of(`"@odata.id":1`),
		"one long link": `"@odata.id":"` + of("a") + `"`, "escapes": `"@odata.id":"` + of(`\\`),
	}
}

// TestLinksOfAHostileBodyTakeLittleMemory: at most sixteen times the body, while a
// reader of JSON at each link would take its square.
func TestLinksOfAHostileBodyTakeLittleMemory(t *testing.T) {
	const size = 1 << 19
	for name, body := range hostileLinks(size) {
		b := []byte(body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		all := links(b)
		runtime.ReadMemStats(&after)
		if took := after.TotalAlloc - before.TotalAlloc; took > 16*size || len(all) > maxLinks {
			t.Errorf("%s: %d links, %d KiB", name, len(all), took>>10)
		}
	}
}

// TestLinksAreFoundBesideBrokenOnes: what cannot be read hides nothing after it.
func TestLinksAreFoundBesideBrokenOnes(t *testing.T) {
	got := links([]byte(`"@odata.id":["@odata.id":7,"@odata.id":"` + strings.Repeat("x", 4<<10) + `","@odata.id" :  "/a\u002fb","@odata.id":"/c`))
	if want := []string{"/a/b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func BenchmarkHostileLinks(b *testing.B) {
	for _, size := range []int{1 << 18, 1 << 20} {
		for name, body := range hostileLinks(size) {
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(size))
				for b.Loop() {
					links([]byte(body))
				}
			})
		}
	}
}

// endless is a body that goes on.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return len(p), nil
}

func (*endless) Close() error { return nil }

// TestAnAnswerWithoutEndIsGivenUp: at most 16 MiB of it are read, for which ReadAll
// takes a few times as much.
func TestAnAnswerWithoutEndIsGivenUp(t *testing.T) {
	body := &endless{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readDocument(&http.Response{StatusCode: 200, Header: http.Header{}, Body: body}, time.Time{})
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; err == nil || body.read > 20<<20 || took > 128<<20 {
		t.Errorf("%v, %d MiB were read, %d MiB taken", err, body.read>>20, took>>20)
	}
}

// What inflates to over 16 MiB is an error, and never cut short.
func TestWhatInflatesTooFarIsNotAnswered(t *testing.T) {
	for size, good := range map[int]bool{16 << 20: true, 16<<20 + 1: false} {
		r := one()
		r.set(account, `W/"1"`, string(deflate(make([]byte, size))))
		r.header[account] = http.Header{"Content-Encoding": {"gzip"}}
		c, _, _ := open(t, r)
		for _, accept := range []string{"gzip", "identity"} {
			g, err := try(t, c, "GET", account, "Accept-Encoding", accept)
			if (err == nil) != good || good && accept == "identity" && len(g.body) != size {
				t.Errorf("%d bytes, %s: %d bytes of them, %v", size, accept, len(g.body), err)
			}
		}
	}
}
