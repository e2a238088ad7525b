package chif

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// fate is what is known of a request's execution.
type fate int

const (
	unsent  fate = iota // the iLO has certainly not acted on it
	unknown             // it was handed over
)

// delivery is one attempt at a request: store, REST, fetch, discard. Its fate is
// unsent until rest is about to hand the REST packet over, and unknown from then
// on; only rest sets it. So no error of a later packet can say that the request
// was not sent.
type delivery struct {
	*lease   // nil: none could be had for the answer
	pool     *pool
	patience *patience
	message  *message
	fate     fate
	answer   blobName   // where the iLO is to put its answer if it is large
	left     []leftover // blobs to delete
}

// attempt delivers m once.
func (t *Transport) attempt(ctx context.Context, m *message) (*http.Response, fate, error) {
	l, err := t.pool.get(ctx)
	if err != nil {
		return nil, unsent, err
	}
	d := &delivery{lease: l, pool: t.pool, patience: newPatience(ctx), message: m, answer: newBlobName()}
	resp, err := d.run(ctx)
	d.patience.stop()
	t.discardLater(d.discard(ctx))
	if d.lease != nil {
		t.pool.put(d.lease)
	}
	return resp, d.fate, err
}

func (d *delivery) run(ctx context.Context) (*http.Response, error) {
	packet, err := d.store(d.message.bytes())
	if err != nil {
		return nil, d.refusal(err)
	}
	a, err := d.rest(packet)
	switch {
	case err != nil:
		return nil, err
	case a.inBlob:
		d.left = append(d.left, leftover{name: d.answer})
		return d.fetch(ctx)
	}
	return d.message.parseAnswer(a.inline)
}

// store returns the REST packet for an HTTP request, having stored the request
// as a blob if it is too large for the packet.
func (d *delivery) store(request []byte) (packet []byte, err error) {
	c := d.Conn
	if len(request) <= maxImmediate {
		packet = appendRESTImmediate(c.out[:0], c.next(), d.answer, uint32(len(request)))
		return append(packet, request...), nil
	}
	var tried []blobName
	name, err := c.create(d.patience, &tried)
	for _, n := range tried {
		d.left = append(d.left, leftover{name: n})
	}
	if err == nil {
		err = c.store(d.patience, name, request)
	}
	if err != nil {
		return nil, err
	}
	return appendRESTBlob(c.out[:0], c.next(), name, d.answer), nil
}

// rest has the iLO execute the request. Two signs say that it did not: the
// packet did not leave, and the answer 0xFFFF, with which HPE's BMC code refuses
// a command that it does not hand on to anybody. A return code says nothing
// about it: no document and no client of HPE's takes one for a refusal.
func (d *delivery) rest(packet []byte) (restAnswer, error) {
	d.fate = unknown
	a, err := d.Conn.rest(d.patience, packet)
	switch {
	case err == nil:
	case errors.Is(err, ErrRefused), errors.Is(err, ErrNotSent):
		d.fate = unsent
		err = d.refusal(err)
	default:
		d.left = append(d.left, leftover{name: d.answer, late: true})
	}
	return a, err
}

// fetch reads the answer that the iLO has stored. A channel that breaks is
// replaced, because the answer still lies in the iLO; a reset of the iLO takes it
// away.
func (d *delivery) fetch(ctx context.Context) (*http.Response, error) {
	for tries := 0; ; tries++ {
		resp, err := d.readAnswer()
		if err == nil || d.dead == nil || errors.Is(d.dead, ErrReset) || tries == maxRetries || ctx.Err() != nil {
			return resp, err
		}
		d.pool.put(d.lease)
		d.patience.stop()
		if d.lease, err = d.pool.get(ctx); err != nil {
			return nil, err
		}
		d.patience = newPatience(ctx)
	}
}

func (d *delivery) readAnswer() (*http.Response, error) {
	raw, err := d.readBlob(d.patience, d.answer, nil)
	if err != nil {
		return nil, err
	}
	resp, err := d.message.parseAnswer(raw)
	if errors.Is(err, errTruncated) { // INFO may have been asked too early
		if raw, err = d.readBlob(d.patience, d.answer, raw); err == nil {
			resp, err = d.message.parseAnswer(raw)
		}
	}
	return resp, err
}

// discard deletes the attempt's blobs on its channel, and returns those that may
// still be there, or may come yet. A caller who has left does not end it: that
// would cost a good channel.
func (d *delivery) discard(ctx context.Context) (left []leftover) {
	if len(d.left) == 0 || d.lease == nil {
		return d.left
	}
	p := newPatience(context.WithoutCancel(ctx))
	defer p.stop()
	for _, blob := range d.left {
		if d.dead == nil {
			blob.tries++
		}
		if d.dead != nil || !blob.gone(d.remove(p, blob.name)) {
			left = append(left, blob)
		}
	}
	if errors.Is(d.dead, ErrReset) {
		return nil // the iLO has lost them
	}
	return left
}

// refusal explains an answer of 0xFFFF.
func (d *delivery) refusal(err error) error {
	switch s := d.status; {
	case !errors.Is(err, ErrRefused):
		return err
	case s.securityAware() && s.SecurityState == SecurityHigh:
		return fmt.Errorf("%w: security state %s: %v", ErrCredentialsRequired, s.SecurityState, err)
	default:
		return fmt.Errorf("%w (security state %s; host authentication required, a high security state, or an iLO without REST over CHIF)",
			err, s.SecurityState)
	}
}
