package chiftest

import (
	"context"
	"time"

	"github.com/ilod/ilod/chif"
)

// exchange executes one packet and sends what the iLO says to it, with the
// faults that are to hit it.
func (s *Server) exchange(p *Port, packet []byte) {
	r := parseRequest(packet)
	s.mu.Lock()
	s.packets[r.op]++
	s.mu.Unlock()
	if r.op == OpInvalid {
		return // it does not say whom to answer
	}
	for s.faults.stalled(r.op) {
		if sleep(p.boot, stallPoll) != nil {
			return
		}
	}
	serial := r.op == OpREST && s.options.Serial
	if serial {
		select {
		case s.turn <- struct{}{}:
		case <-p.boot.Done():
			return
		}
	}
	answer, f := s.execution(p, &r)
	if serial {
		<-s.turn
	}
	if answer == nil {
		return
	}
	reset := s.resetting.Swap(false)
	wait := f.delay()
	if r.op == OpREST {
		wait += s.options.Latency
	}
	if sleep(p.boot, wait) == nil {
		if x, ok := f.find(FaultResetAfter); ok {
			s.Reset(time.Duration(x.Duration))
		} else if !f.has(FaultDropAnswer) {
			for _, a := range f.spoil(&r, answer) {
				if r.answered(a) {
					p.unanswered.Add(-1)
				}
				p.send(a)
			}
		}
	}
	if reset {
		s.wg.Go(func() {
			if sleep(s.life, s.options.ResetDelay) == nil {
				s.Reset(s.options.ResetDown)
			}
		})
	}
}

// stallPoll is how often an iLO that has stopped looks whether it may go on.
const stallPoll = 5 * time.Millisecond

// execution executes a packet, with the faults that hit it. Without an answer
// there is none to send.
func (s *Server) execution(p *Port, r *request) (answer []byte, f faults) {
	r.boot = p.boot
	s.loadHTTP(p.boot, r)
	s.judgeHTTP(r)
	f = s.faults.take(r)
	if x, ok := f.find(FaultResetBefore); ok {
		s.Reset(time.Duration(x.Duration))
		return nil, f
	}
	if f.has(FaultDropRequest) {
		return nil, f
	}
	switch {
	case r.op == OpDelete && (f.has(FaultCode) || f.has(FaultRefuse)):
		s.blobs.excuse(r.blob)
	case (r.op == OpWrite || r.op == OpFinalize) && f.has(FaultCode):
		s.blobs.taint(r.blob)
	}
	return s.execute(r, f), f
}

// loadHTTP finds the HTTP request of a REST packet and parses it.
func (s *Server) loadHTTP(ctx context.Context, r *request) {
	if r.op != OpREST || r.badSize {
		return
	}
	if r.byBlob {
		if r.data, r.sourceCode = s.blobs.request(r.source); r.sourceCode != chif.CodeSuccess {
			return
		}
	}
	r.http, r.httpError = parseHTTP(ctx, r.data)
}

// execute does what a packet asks for and builds the answer (the table of
// PROTOCOL.md §9).
func (s *Server) execute(r *request, f faults) []byte {
	answer := s.answer(r, f)
	if x, ok := f.find(FaultCodeAfter); ok {
		return r.code(x.Code)
	}
	return answer
}

func (s *Server) answer(r *request, f faults) []byte {
	if x, ok := f.find(FaultCode); ok {
		return r.code(x.Code)
	}
	switch {
	case f.has(FaultRefuse):
		return r.badCommand()
	case r.service != serviceSMIF:
		return r.unknownService()
	case r.badSize:
		return r.code(chif.CodeBadParameter)
	}
	switch r.op {
	case OpStatus:
		return r.status(*s.options.Status, s.options.StatusLen)
	case OpSecurity:
		return r.security(s.options.Status.SecurityState)
	case OpPing:
		return r.ping()
	case OpCreate:
		return r.code(s.blobs.create(r.boot, r.blob, f.code(FaultExisting, chif.CodeNotModified)))
	case OpWrite:
		code := s.blobs.write(r.blob, r.offset, r.data)
		if (code == chif.CodeBadParameter || code == chif.CodeReadOnly) && !s.blobs.isTainted(r.blob) {
			s.offend(RuleOrder, "WRITE at offset %d is out of order, or follows FINALIZE", r.offset)
		}
		return r.code(code)
	case OpFinalize:
		return r.code(s.blobs.finalize(r.blob))
	case OpInfo:
		return s.info(r, f)
	case OpRead:
		return s.read(r, f)
	case OpDelete:
		return r.code(s.blobs.delete(r.blob, f.code(FaultMissing, chif.CodeNotModified)))
	case OpREST:
		if r.sourceCode != chif.CodeSuccess {
			if !s.blobs.isTainted(r.source) {
				s.offend(RuleOrder, "REST by a blob that does not exist or was not finalized")
			}
			return r.code(r.sourceCode)
		}
		return s.restAnswer(r, f.http(s.options.Handler, r), f.has(FaultAsBlob))
	}
	return r.badCommand()
}

// infoAnswerLen is the size in bytes of a successful INFO answer (PROTOCOL.md §2).
const infoAnswerLen = 384

func (s *Server) info(r *request, f faults) []byte {
	_, size, code := s.blobs.read(r.blob, 0, 0)
	if code != chif.CodeSuccess {
		return r.code(code)
	}
	if f.has(FaultVanish) {
		s.blobs.delete(r.blob, chif.CodeSuccess)
	}
	p := r.answer(r.command|responseBit, infoAnswerLen)
	le.PutUint32(p[12:], uint32(size))
	return p
}

func (s *Server) read(r *request, f faults) []byte {
	count := min(r.count, maxRead)
	if x, ok := f.find(FaultReadShort); ok {
		count = min(count, uint32(x.Bytes))
	}
	data, _, code := s.blobs.read(r.blob, r.offset, count)
	p := append(r.code(code), data...)
	if x, ok := f.find(FaultReadMore); ok {
		p = append(p, make([]byte, min(x.Bytes, chif.MaxPacket-len(p)))...)
	}
	le.PutUint16(p, uint16(len(p)))
	le.PutUint32(p[12:], uint32(len(p)-16))
	return p
}
