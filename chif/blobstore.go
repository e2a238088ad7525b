package chif

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	// namespace is where HPE's clients keep REST blobs; the iLO purges it after
	// about an hour (chif-protocol §3).
	namespace = "volatile"
	// infoRetries, infoPause, infoPauseStep: HPE's rhythm for INFO that answers
	// code 2, "busy or replaced", right after REST (chif-protocol §3.10).
	infoRetries   = 44
	infoPause     = 250 * time.Millisecond
	infoPauseStep = 50 * time.Millisecond
	// readRestarts is how often reading a blob starts again after a READ that
	// returned nothing or an error code (chif-protocol §7 row 18).
	readRestarts = 3
	// packetAllowance is what each packet of a row adds to the deadline of the row.
	packetAllowance = 250 * time.Millisecond
	// deleteTries bounds DELETE that answers code 2 (chif-protocol §7 row 23).
	deleteTries = 4
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

// ok reports the codes that mean success (chif-protocol §3.10: 20 is accepted
// everywhere).
func (c Code) ok() bool { return c == CodeSuccess || c == CodeNotModified }

// forPackets bounds the exchange of n packets. A row of packets has one deadline:
// a timer for each would cost as much as the packet.
func forPackets(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, packetTimeout+time.Duration(n)*packetAllowance)
}

// ask exchanges one BlobStore2 request and splits the code off its answer.
func (c *Conn) ask(ctx context.Context, op operation, request []byte) (Code, []byte, error) {
	msg, err := c.exchange(ctx, request)
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
func (c *Conn) demand(ctx context.Context, op operation, request []byte) error {
	code, _, err := c.ask(ctx, op, request)
	if err == nil && !code.ok() {
		err = c.opError(op.String(), code)
	}
	return err
}

// restImmediate sends an HTTP request of at most maxImmediate bytes inside a
// REST packet.
func (c *Conn) restImmediate(ctx context.Context, request []byte, rsp blobName) (restAnswer, error) {
	packet := appendRESTImmediate(c.out[:0], c.next(), rsp, uint32(len(request)))
	return c.rest(ctx, append(packet, request...))
}

// restBlob stores an HTTP request of any size as a blob and has it executed. It
// deletes the request's blob, whatever happens, or returns it in left.
func (c *Conn) restBlob(ctx context.Context, request []byte, rsp blobName) (a restAnswer, left []blobName, err error) {
	name, err := c.create(ctx)
	if err == nil {
		err = c.store(ctx, name, request)
	}
	if err != nil {
		return a, c.discard(ctx, name), notSent(err)
	}
	a, err = c.rest(ctx, appendRESTBlob(c.out[:0], c.next(), name, rsp))
	return a, c.discard(ctx, name), err
}

// create makes a blob under a fresh random name. An iLO that says it existed,
// or refuses it, is asked once more with another name; one that then says so
// again uses that code for success (chif-protocol §7 row 15, §10 U7).
func (c *Conn) create(ctx context.Context) (blobName, error) {
	ctx, cancel := forPackets(ctx, 2)
	defer cancel()
	for second := false; ; second = true {
		name := newBlobName()
		code, _, err := c.ask(ctx, opCreate, appendCreate(c.out[:0], c.next(), name))
		switch {
		case err != nil:
			return name, err
		case code == CodeSuccess || second && code.ok():
			return name, nil
		case second:
			return name, c.opError(opCreate.String(), code)
		case code.ok():
			c.discard(ctx, name)
		}
	}
}

// store fills a new blob and finalizes it.
func (c *Conn) store(ctx context.Context, name blobName, data []byte) error {
	ctx, cancel := forPackets(ctx, len(data)/maxWrite)
	defer cancel()
	for offset := 0; offset < len(data); offset += maxWrite {
		piece := data[offset:min(offset+maxWrite, len(data))]
		packet := appendWrite(c.out[:0], c.next(), name, uint32(offset), uint32(len(piece)))
		if err := c.demand(ctx, opWrite, append(packet, piece...)); err != nil {
			return err
		}
	}
	return c.demand(ctx, opFinalize, appendFinalize(c.out[:0], c.next(), name))
}

// rest exchanges a REST packet. Codes with which the iLO says that it did not
// execute the request match ErrNotSent.
func (c *Conn) rest(ctx context.Context, packet []byte) (restAnswer, error) {
	op := opREST.String()
	ctx, cancel := context.WithTimeout(ctx, restTimeout)
	defer cancel()
	code, body, err := c.ask(ctx, opREST, packet)
	switch {
	case err != nil:
		return restAnswer{}, err
	case !code.ok():
		err = c.opError(op, code)
		if code > CodeError && code <= CodePreconditionFailed && code != CodeTimeout {
			err = notSent(err)
		}
		return restAnswer{}, err
	}
	a, err := parseRESTAnswer(body)
	if err != nil {
		return a, c.opError(op, c.kill(err))
	}
	return a, nil
}

// info asks for the size in bytes of a blob, waiting while it is busy.
func (c *Conn) info(ctx context.Context, name blobName) (uint32, error) {
	op := opInfo.String()
	for try := 0; ; try++ {
		one, cancel := forPackets(ctx, 1)
		code, body, err := c.ask(one, opInfo, appendInfo(c.out[:0], c.next(), name))
		cancel()
		switch {
		case err != nil:
			return 0, err
		case code == CodeBadParameter && try < infoRetries:
			if err := sleep(ctx, infoPause+time.Duration(try)*infoPauseStep); err != nil {
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

// readBlob reads a blob to the size that INFO tells. have is what was read
// before, of the same blob.
func (c *Conn) readBlob(ctx context.Context, name blobName, have []byte) ([]byte, error) {
	op := opRead.String()
	size, err := c.info(ctx, name)
	if err != nil {
		return nil, err
	}
	if size > maxAnswer {
		return nil, c.opError(opInfo.String(), fmt.Errorf("%w: the answer's blob has %d bytes, the limit is %d", ErrTooLarge, size, maxAnswer))
	}
	ctx, cancel := forPackets(ctx, int(size)/maxRead)
	defer cancel()
	data := append(make([]byte, 0, size), have...)
	for restarts := 0; len(data) < int(size); {
		asked := min(size-uint32(len(data)), maxRead)
		packet := appendRead(c.out[:0], c.next(), name, uint32(len(data)), asked)
		code, body, err := c.ask(ctx, opRead, appendZeros(packet, int(asked)))
		if err != nil {
			return nil, err
		}
		var piece []byte
		if code.ok() {
			if piece, err = readData(body, asked); err != nil {
				return nil, c.opError(op, c.kill(err))
			}
		}
		switch {
		case len(piece) > 0:
			data = append(data, piece...)
		case code == CodeNotFound:
			return nil, c.opError(op, code)
		case restarts < readRestarts:
			restarts++
			data = data[:0]
		case code.ok():
			return nil, c.opError(op, fmt.Errorf("%w: READ returns nothing at byte %d of %d", ErrProtocol, len(data), size))
		default:
			return nil, c.opError(op, code)
		}
	}
	return data, nil
}

// discard deletes a blob of ours. It returns the name if the blob may still be
// there because the channel did not serve. A code that says so is not worth more
// tries: the iLO purges the namespace by itself.
func (c *Conn) discard(ctx context.Context, name blobName) (left []blobName) {
	ctx, cancel := forPackets(ctx, deleteTries)
	defer cancel()
	for range deleteTries {
		code, _, err := c.ask(ctx, opDelete, appendDelete(c.out[:0], c.next(), name))
		if err != nil {
			return []blobName{name}
		}
		if code != CodeBadParameter {
			break
		}
	}
	return nil
}
