package chif_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
)

// recorder is a channel that keeps the requests sent through it.
type recorder struct {
	chif.Device
	chif.Channel
	sent *[][]byte
}

func (r recorder) Open(ctx context.Context) (chif.Channel, error) {
	ch, err := r.Device.Open(ctx)
	return recorder{r.Device, ch, r.sent}, err
}

func (r recorder) Send(ctx context.Context, packet []byte) error {
	*r.sent = append(*r.sent, bytes.Clone(packet))
	return r.Channel.Send(ctx, packet)
}

func (r recorder) String() string { return r.Device.String() }

// What fills up a READ request is zeros, not what the buffer held before.
func TestReadFillerIsZero(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
		var sent [][]byte
		tr := chiftest.NewTransport(t, recorder{Device: i.Device(), sent: &sent}, chif.TransportOptions{})
		defer tr.Close()
		if _, _, err := (&ilo{Server: i.Server, Transport: tr}).do(t.Context(), "PATCH", "/big", large); err != nil {
			t.Fatal(err)
		}
		reads := 0
		for _, p := range sent {
			if p[4] == 0x1C && p[8] == 4 {
				if reads++; len(bytes.Trim(p[68:], "\x00")) > 0 {
					t.Errorf("READ holds %q", bytes.Trim(p[68:], "\x00"))
				}
			}
		}
		if reads != 27 {
			t.Errorf("%d READs", reads)
		}
	})
}

// An HTTP request of 3567 bytes goes inside its packet, one more by blob, as
// HPE's client sends them.
func TestRequestsOf3568BytesGoByBlob(t *testing.T) {
	inBubble(t, chif.TransportOptions{}, nil, func(t *testing.T, i *ilo) {
		var sent [][]byte
		tr := chiftest.NewTransport(t, recorder{Device: i.Device(), sent: &sent}, chif.TransportOptions{})
		defer tr.Close()
		r := &ilo{Server: i.Server, Transport: tr}
		if _, _, err := r.do(t.Context(), "POST", "/small", make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		head := len(sent[1]) - 68 - 1000 // STATUS is first
		sent = nil
		for size, packets := range map[int]int{3567: 1, 3568: 6} { // CREATE, 2 WRITEs, FINALIZE, REST, DELETE
			sent = nil
			if _, _, err := r.do(t.Context(), "POST", "/small", make([]byte, size-head)); err != nil || len(sent) != packets {
				t.Errorf("%d bytes: %d packets, %v", size, len(sent), err)
			}
			if packets == 1 && len(sent[0]) != 3635 {
				t.Errorf("%d bytes: a packet of %d", size, len(sent[0]))
			}
		}
	})
}

// gzip of zeros grows a thousandfold; the answer is bounded when inflated, too.
func TestInflatedAnswerIsBounded(t *testing.T) {
	for size, want := range map[int64]error{16 << 20: nil, 16<<20 + 1: chif.ErrTooLarge} {
		var bomb bytes.Buffer
		z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
		if _, err := io.CopyN(z, zeros{}, size); err != nil {
			t.Fatal(err)
		}
		z.Close()
		synctest.Test(t, func(t *testing.T) {
			i := served(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				w.Write(bomb.Bytes())
			})
			if _, got, err := i.do(t.Context(), "GET", "/", nil); !errors.Is(err, want) || err == nil && int64(len(got)) != size {
				t.Errorf("%d bytes: %v", size, err)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// served is an iLO with this service, to be closed with the test.
func served(t *testing.T, f http.HandlerFunc) *ilo {
	s := chiftest.New(t, chiftest.Options{Handler: f})
	tr := chiftest.NewTransport(t, s.Device(), chif.TransportOptions{})
	t.Cleanup(func() { tr.Close() })
	return &ilo{Server: s, Transport: tr}
}

// What is said of the compressed body does not stay when the body is inflated.
func TestInflatedAnswerHasNoOldLength(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, "inflated")
	z.Close()
	synctest.Test(t, func(t *testing.T) {
		i := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Length", strconv.Itoa(packed.Len()))
			w.Write(packed.Bytes())
		})
		req, _ := http.NewRequest("GET", "https://ilo/", nil)
		resp, err := i.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		if string(body) != "inflated" || resp.ContentLength != 8 || !resp.Uncompressed ||
			resp.Header.Get("Content-Length")+resp.Header.Get("Content-Encoding") != "" {
			t.Errorf("%q, %d, %v, %v", body, resp.ContentLength, resp.Uncompressed, resp.Header)
		}
	})
}

// Redirections keep method and body, and only these are followed.
func TestRedirectionsThatAreFollowed(t *testing.T) {
	for status, follow := range map[int]bool{301: true, 302: true, 307: true, 308: true, 300: false, 303: false, 304: false, 201: false} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			i := served(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = append(got, r.Method+" "+r.URL.Path+" "+string(body))
				if r.URL.Path == "/a" {
					w.Header().Set("Location", "https:///b")
					w.WriteHeader(status)
				}
			})
			code, _, err := i.do(t.Context(), "POST", "/a", []byte("x"))
			want, last := "POST /a x", status
			if follow {
				want, last = want+",POST /b x", 200
			}
			if all := strings.Join(got, ","); all != want || code != last || err != nil {
				t.Errorf("%d: %s: %d, %v", status, all, code, err)
			}
		})
	}
}
