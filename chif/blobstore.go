package chif

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// namespace is where HPE's clients keep REST blobs; uefisettings saw the iLO
	// purge it after about an hour.
	namespace = "volatile"
	// infoPause, infoPauseStep, infoPauseMax: HPE's rhythm for INFO that answers
	// code 2 right after REST, while other clients are at work (python-ilorest-
	// library, risblobstore2.py: 0.25 s, 0.1 s more each time, 1.5 s at the most,
	// plus chance). infoPatience is how long its older versions bear that.
	infoPause     = 250 * time.Millisecond
	infoPauseStep = 100 * time.Millisecond
	infoPauseMax  = 1500 * time.Millisecond
	infoPatience  = time.Minute
	// readRestarts and readPause: how often, and after which pause, reading a blob
	// starts again after a READ that returned nothing (risblobstore2.py), or an
	// error code.
	readRestarts = 10
	readPause    = 100 * time.Millisecond
)

// newBlobName draws a blob name that no other process uses: ten random letters
// and digits, as HPE's clients do.
func newBlobName() blobName {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	var key [10]byte
	for i := range key {
		key[i] = alphabet[rand.IntN(len(alphabet))]
	}
	name, err := makeBlobName(namespace, string(key[:]))
	if err != nil {
		panic(err)
	}
	return name
}

// ok reports the codes that mean success: HPE's client takes 20, "not modified",
// for it everywhere.
func (c Code) ok() bool { return c == CodeSuccess || c == CodeNotModified }

// ask exchanges one BlobStore2 request and splits the code off its answer.
func (c *Conn) ask(p *patience, op operation, request []byte) (Code, []byte, error) {
	switch op {
	case opREST:
		p.allow(restTimeout)
	case opDelete:
		p.allow(deleteTimeout)
	default:
		p.allow(packetTimeout)
	}
	msg, err := c.exchange(p, request)
	if err != nil {
		return 0, nil, c.opError(op.String(), err)
	}
	code, body, err := answerCode(op, msg)
	if err != nil {
		return 0, nil, c.opError(op.String(), c.kill(err))
	}
	return code, body, nil
}

// demand is ask for requests whose answer is a code that must be success.
func (c *Conn) demand(p *patience, op operation, request []byte) error {
	code, _, err := c.ask(p, op, request)
	if err == nil && !code.ok() {
		err = c.opError(op.String(), code)
	}
	return err
}

// create makes a blob under a fresh random name and adds each name that it tried
// to tried. An iLO that says it existed, or refuses it, is asked once more with
// another name; one that then says so again uses that code for success.
func (c *Conn) create(p *patience, tried *[]blobName) (blobName, error) {
	for second := false; ; second = true {
		name := newBlobName()
		*tried = append(*tried, name)
		code, _, err := c.ask(p, opCreate, appendCreate(c.out[:0], c.next(), name))
		switch {
		case err != nil:
			return name, err
		case code == CodeSuccess || second && code.ok():
			return name, nil
		case second:
			return name, c.opError(opCreate.String(), code)
		}
	}
}

// store fills a new blob and finalizes it.
func (c *Conn) store(p *patience, name blobName, data []byte) error {
	for offset := 0; offset < len(data); offset += maxWrite {
		piece := data[offset:min(offset+maxWrite, len(data))]
		packet := appendWrite(c.out[:0], c.next(), name, uint32(offset), uint32(len(piece)))
		if err := c.demand(p, opWrite, append(packet, piece...)); err != nil {
			return err
		}
	}
	return c.demand(p, opFinalize, appendFinalize(c.out[:0], c.next(), name))
}

// rest exchanges a REST packet.
func (c *Conn) rest(p *patience, packet []byte) (restAnswer, error) {
	code, body, err := c.ask(p, opREST, packet)
	switch {
	case err != nil:
		return restAnswer{}, err
	case !code.ok():
		return restAnswer{}, c.opError(opREST.String(), code)
	}
	a, err := parseRESTAnswer(body)
	if err != nil {
		return a, c.opError(opREST.String(), c.kill(err))
	}
	return a, nil
}

// info asks for the size in bytes of a blob, waiting while it is busy.
func (c *Conn) info(p *patience, name blobName) (uint32, error) {
	op := opInfo.String()
	start := time.Now()
	for pause := infoPause; ; pause = min(pause+infoPauseStep, infoPauseMax) {
		code, body, err := c.ask(p, opInfo, appendInfo(c.out[:0], c.next(), name))
		switch {
		case err != nil:
			return 0, err
		case code == CodeBadParameter && time.Since(start) < infoPatience:
			if err := c.sleep(p, pause+rand.N(pause)); err != nil {
				return 0, c.opError(op, err)
			}
		case !code.ok():
			return 0, c.opError(op, code)
		default:
			size, err := blobSize(body)
			if err != nil {
				return 0, c.opError(op, c.kill(err))
			}
			return size, nil
		}
	}
}

// sleep waits for d, the end of ctx or that of the pool.
func (c *Conn) sleep(ctx context.Context, d time.Duration) error { return sleep(ctx, c.closing, d) }

// readBlob reads a blob to the size that INFO tells. have is what was read
// before, of the same blob.
func (c *Conn) readBlob(p *patience, name blobName, have []byte) ([]byte, error) {
	data := have
	for restarts := 0; ; restarts++ {
		size, err := c.info(p, name)
		if err != nil {
			return nil, err
		}
		if size > maxAnswer {
			return nil, c.opError(opInfo.String(), fmt.Errorf("%w: the answer's blob has %d bytes, the limit is %d", ErrTooLarge, size, maxAnswer))
		}
		data, err = c.readTo(p, name, size, data)
		if err == nil {
			return data, nil
		}
		if restarts == readRestarts || !errors.Is(err, errReadFailed) {
			return nil, err
		}
		if err := c.sleep(p, readPause); err != nil {
			return nil, c.opError(opRead.String(), err)
		}
	}
}

// errReadFailed marks a READ that gave nothing, or a code, and may be repeated.
var errReadFailed = errors.New("READ gives nothing")

// readTo reads on from data to the end of a blob of the given size.
func (c *Conn) readTo(p *patience, name blobName, size uint32, data []byte) ([]byte, error) {
	op := opRead.String()
	if cap(data) < int(size) {
		data = append(make([]byte, 0, size), data...)
	}
	for len(data) < int(size) {
		asked := min(size-uint32(len(data)), maxRead)
		packet := appendRead(c.out[:0], c.next(), name, uint32(len(data)), asked)
		code, body, err := c.ask(p, opRead, appendZeros(packet, int(asked)))
		if err != nil {
			return nil, err
		}
		if code == CodeNotFound {
			return nil, c.opError(op, code)
		}
		if !code.ok() {
			return nil, c.opError(op, fmt.Errorf("%w: %w", code, errReadFailed))
		}
		piece, err := readData(body, asked)
		if err != nil {
			return nil, c.opError(op, c.kill(err))
		}
		if len(piece) == 0 {
			return nil, c.opError(op, fmt.Errorf("%w: %w at byte %d of %d", ErrProtocol, errReadFailed, len(data), size))
		}
		data = append(data, piece...)
	}
	return data, nil
}

// removal is what became of a DELETE.
type removal int

const (
	removed  removal = iota
	missing          // there was no such blob
	unserved         // the blob may still be there
)

// remove deletes a blob of ours.
func (c *Conn) remove(p *patience, name blobName) removal {
	switch code, _, err := c.ask(p, opDelete, appendDelete(c.out[:0], c.next(), name)); {
	case err != nil:
		return unserved
	case code == CodeSuccess:
		return removed
	case code == CodeNotFound || code == CodeNotModified:
		return missing
	}
	return unserved
}
