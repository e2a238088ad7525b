package chif

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"testing"
)

// capturedPackets are the packets of one direction, "req" or "rsp", of the
// dialogues with HPE's own client.
func capturedPackets(tb testing.TB, dir string) (packets [][]byte) {
	tb.Helper()
	var file struct {
		Dialogues []struct {
			Packets []struct {
				Dir string `json:"dir"`
				Hex string `json:"hex"`
			} `json:"packets"`
		} `json:"dialogues"`
	}
	readVectors(tb, &file)
	for _, d := range file.Dialogues {
		for _, p := range d.Packets {
			if p.Dir != dir {
				continue
			}
			b, err := hex.DecodeString(p.Hex)
			if err != nil {
				tb.Fatal(err)
			}
			packets = append(packets, b)
		}
	}
	if len(packets) == 0 {
		tb.Fatalf("no packets of direction %q", dir)
	}
	return packets
}

// FuzzPacket: whatever is received, ParsePacket keeps its promises, and what it
// accepts is, re-packed, what it was.
func FuzzPacket(f *testing.F) {
	for _, dir := range []string{"req", "rsp"} {
		for _, p := range capturedPackets(f, dir) {
			f.Add(p)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, message, err := ParsePacket(b)
		if err != nil {
			if message != nil {
				t.Error("an error and a message")
			}
			return
		}
		if int(h.Size) != headerSize+len(message) || int(h.Size) > MaxPacket {
			t.Errorf("size %d, message of %d bytes", h.Size, len(message))
		}
		if again := append(h.append(nil), message...); !bytes.Equal(again, b[:h.Size]) {
			t.Error("not byte identical")
		}
	})
}

// FuzzBlobAnswer feeds the readers of all answers that are not HTTP.
func FuzzBlobAnswer(f *testing.F) {
	for _, p := range capturedPackets(f, "rsp") {
		f.Add(p[min(headerSize, len(p)):], uint32(maxReadCount))
	}
	f.Fuzz(func(t *testing.T, message []byte, asked uint32) {
		if s, err := parseStatus(message); err == nil {
			_ = s.Generation()
			_ = s.SecurityState.String()
		}
		code, body, err := answerCode(opRead, message)
		if err != nil {
			return
		}
		_ = code.Error()
		_, _ = blobSize(body)
		if data, err := readData(body, asked); err == nil && (len(data) > len(body) || uint32(len(data)) > asked) {
			t.Errorf("%d bytes out of a message of %d, asked %d", len(data), len(body), asked)
		}
		if a, err := parseRESTAnswer(body); err == nil && (len(a.inline) > len(body) || a.inBlob && a.inline != nil) {
			t.Errorf("%d inline bytes out of a message of %d", len(a.inline), len(body))
		}
	})
}

// FuzzHTTPAnswer feeds the reader of HTTP answers: it must return a whole
// answer or an error.
func FuzzHTTPAnswer(f *testing.F) {
	for _, p := range capturedPackets(f, "rsp") {
		for _, off := range []int{16, 20} { // READ data and inline HTTP
			if len(p) > off {
				f.Add(p[off:], "GET", true)
			}
		}
	}
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\n\r\n{}", "HTTP/1.0 200\n\n{}", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
	} {
		f.Add([]byte(s), "GET", true)
		f.Add([]byte(s), "HEAD", false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, method string, gunzip bool) {
		if !isToken(method) {
			return
		}
		m := &message{method: method, header: http.Header{}, gunzip: gunzip}
		resp, err := m.parseAnswer(raw)
		if err != nil {
			_, _ = m.retry(err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Errorf("body: %v", err)
		}
		if method != http.MethodHead && resp.ContentLength != int64(len(body)) {
			t.Errorf("ContentLength %d, body of %d bytes", resp.ContentLength, len(body))
		}
		if resp.StatusCode < 200 || resp.ProtoMajor != 1 {
			t.Errorf("%s %s", resp.Proto, resp.Status)
		}
		if path, ok := redirect(resp); ok && path[0] != '/' {
			t.Errorf("redirected to %q", path)
		}
	})
}
