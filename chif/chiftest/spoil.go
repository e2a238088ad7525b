package chiftest

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"

	"github.com/ilod/ilod/chif"
)

// http has the handler answer a REST request and spoils the message as the
// rules say.
func (f faults) http(handler http.Handler, r *request) []byte {
	a := f.reply(handler, r)
	if x, ok := f.find(FaultGzipTruncated); ok {
		a.header.Set("Content-Encoding", "gzip")
		a.body = compress(a.body)
		cut := x.Bytes
		if cut == 0 {
			cut = len(a.body) / 2
		}
		a.body = a.body[:max(0, len(a.body)-cut)]
		a.header.Del("Content-Length")
	}
	if f.has(FaultGzipPlain) {
		a.header.Set("Content-Encoding", "gzip")
	}
	if x, ok := f.find(FaultWrongLength); ok {
		a.header.Set("Content-Length", strconv.Itoa(max(0, len(a.body)+x.Bytes)))
	}
	end := byChunks
	switch {
	case f.has(FaultChunked):
		a.header.Del("Content-Length")
	case f.has(FaultLength):
		end = byLength
	case f.has(FaultNoLength):
		end = byEnd
	}
	message := a.bytes(end)
	switch {
	case f.has(FaultHTTPEmpty):
		return nil
	case f.has(FaultHTTPGarbage):
		return bytes.Repeat([]byte{0xA5}, len(message))
	case f.has(FaultContinue):
		return append([]byte("HTTP/1.1 100 Continue\r\n\r\n"), message...)
	}
	return message
}

// reply asks the handler, unless a rule or a bad request forestalls it.
func (f faults) reply(handler http.Handler, r *request) reply {
	if x, ok := f.find(FaultHTTPStatus); ok {
		return errorReply(x.Status)
	}
	if x, ok := f.find(FaultRedirect); ok {
		return reply{status: http.StatusPermanentRedirect, header: http.Header{"Location": {x.Location}}}
	}
	if r.httpError != nil {
		return errorReply(http.StatusBadRequest)
	}
	return serve(handler, r.http)
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(body) // a bytes.Buffer takes everything
	z.Close()
	return b.Bytes()
}

// spoil returns the packets to send for an answer, changed as the rules say.
func (f faults) spoil(r *request, p []byte) (packets [][]byte) {
	if x, ok := f.find(FaultSetCode); ok && len(p) >= 12 {
		le.PutUint32(p[8:], uint32(x.Code))
	}
	if f.has(FaultMode2) {
		le.PutUint32(p[12:], 2)
	}
	if x, ok := f.find(FaultInfoSize); ok && len(p) == infoAnswerLen {
		le.PutUint32(p[12:], le.Uint32(p[12:])+uint32(x.Bytes))
	}
	if x, ok := f.find(FaultInlineLength); ok {
		le.PutUint32(p[16:], le.Uint32(p[16:])+uint32(x.Bytes))
	}
	if f.has(FaultWrongSequence) {
		le.PutUint16(p[2:], ^r.sequence)
	}
	if f.has(FaultWrongCommand) {
		le.PutUint16(p[4:], r.command^0x0777|responseBit)
	}
	if x, ok := f.find(FaultWrongSize); ok {
		le.PutUint16(p, le.Uint16(p)+uint16(x.Bytes))
	}
	p = pad(p)
	if x, ok := f.find(FaultGarbage); ok {
		for i := min(x.Bytes, len(p)); i < len(p); i++ {
			p[i] = 0xA5
		}
	}
	if x, ok := f.find(FaultPadding); ok {
		p = append(p, bytes.Repeat([]byte{padding}, max(0, min(x.Bytes, chif.MaxPacket-len(p))))...)
	}
	if f.has(FaultStale) {
		stale := bytes.Clone(p)
		le.PutUint16(stale[2:], ^r.sequence)
		packets = append(packets, stale)
	}
	if x, ok := f.find(FaultTruncate); ok {
		p = p[:min(x.Bytes, len(p))]
	}
	if packets = append(packets, p); f.has(FaultDuplicate) {
		packets = append(packets, bytes.Clone(p))
	}
	return packets
}
