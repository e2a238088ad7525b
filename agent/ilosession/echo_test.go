package ilosession

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

// TestNoAnswerShowsTheToken: a server that shows the request in its answer gives nobody
// the session, whatever pieces the answer comes in. All else stays as it is.
func TestNoAnswerShowsTheToken(t *testing.T) {
	const long = 70_000
	for _, packed := range []bool{false, true} {
		for _, before := range []int{0, 1, 511, 512 - len(secretToken)/2, 32<<10 - 7, long} {
			for _, echo := range []bool{false, true} {
				for name, pieces := range map[string]func(io.Reader) io.Reader{
					"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader, "with EOF": iotest.DataErrReader,
				} {
					t.Run(fmt.Sprintf("%v %d %v %s", packed, before, echo, name), func(t *testing.T) {
						var sent string
						s := &Session{authorize: authorizer(secretToken), rt: roundTripper(func(r *http.Request) (*http.Response, error) {
							shown := strings.Repeat("x", len(secretToken))
							if echo {
								shown = r.Header.Get(tokenHeader)
							}
							sent = strings.Repeat("a", before) + shown + strings.Repeat("b", 5) + shown
							body, h := []byte(sent), http.Header{"X-Shown": {"was " + shown}}
							if packed {
								h.Set("Content-Encoding", "gzip")
								var b bytes.Buffer
								z := gzip.NewWriter(&b)
								_, _ = z.Write(body)
								_ = z.Close()
								body = b.Bytes()
							}
							return &http.Response{StatusCode: 400, Header: h, Request: r, ContentLength: int64(len(body)), Body: io.NopCloser(pieces(bytes.NewReader(body)))}, nil
						})}
						req, err := http.NewRequest("GET", "http://ilo/redfish/v1/x", nil)
						if err != nil {
							t.Fatal(err)
						}
						resp, err := s.RoundTrip(req)
						if packed && echo {
							if !errors.Is(err, errShown) || strings.Contains(err.Error(), secretToken) {
								t.Errorf("%v", err)
							}
							return
						}
						if err != nil {
							t.Fatal(err)
						}
						if strings.Contains(fmt.Sprint(resp.Header), secretToken) {
							t.Errorf("%v", resp.Header)
						}
						var from io.Reader = resp.Body
						if packed {
							if from, err = gzip.NewReader(resp.Body); err != nil {
								t.Fatal(err)
							}
						}
						body, err := io.ReadAll(from)
						want := strings.ReplaceAll(sent, secretToken, strings.Repeat("*", len(secretToken)))
						if string(body) != want || err != nil || !packed && int64(len(body)) != resp.ContentLength {
							t.Errorf("%d bytes, want %d, %v", len(body), len(want), err)
						}
					})
				}
			}
		}
	}
}

// TestNoPieceHidesACompressedToken: it is found wherever the pieces end in which an
// answer is unpacked.
func TestNoPieceHidesACompressedToken(t *testing.T) {
	for before := 32<<10 - 2*len(secretToken); before <= 32<<10+len(secretToken); before++ {
		for text, want := range map[string]bool{secretToken: true, secretToken[1:]: false} {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			_, _ = io.WriteString(z, strings.Repeat("x", before)+text+strings.Repeat("x", 64<<10))
			_ = z.Close()
			if got := shows(b.Bytes(), []byte(secretToken)); got != want {
				t.Errorf("%q after %d bytes: %v", text, before, got)
			}
		}
	}
}
