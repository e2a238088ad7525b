package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/itchyny/gojq"

	"github.com/ilod/ilod/cmd/ilod/agentsocket"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// query is the flag --jq: an expression that chooses what to print of JSON.
type query struct {
	text string
	code *gojq.Code
	raw  bool // print strings as they are, which is the flag --raw

	end    func() error            // waits until the results are out; nil if it has not begun
	cancel context.CancelCauseFunc // ends it early
}

func (q *query) Set(text string) error {
	parsed, err := gojq.Parse(text)
	if e, ok := errors.AsType[*gojq.ParseError](err); ok {
		return fmt.Errorf("%w, after %q", err, text[:min(max(e.Offset-len(e.Token), 0), len(text))])
	}
	if err != nil {
		return err
	}
	q.code, err = gojq.Compile(parsed)
	q.text = text
	return err
}

func (q *query) String() string { return q.text }

func (q *query) Type() string { return "expression" }

// beginQuery sends all further output through the query.
func (a *app) beginQuery(ctx context.Context) {
	if a.query.code == nil {
		return
	}
	ctx, a.query.cancel = context.WithCancelCause(ctx)
	plain := a.stdout
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := a.filter(ctx, plain, r)
		_ = r.CloseWithError(err) // the writer sees it; never fails
		done <- err
	}()
	a.json, a.stdout = true, &terminal.Output{To: w}
	a.query.end = func() error {
		_ = w.Close() // never fails
		err := <-done
		a.query.cancel(nil)
		a.stdout, a.query.end, a.query.cancel = plain, nil, nil
		return err
	}
}

// filter prints the results for each JSON document that it reads.
func (a *app) filter(ctx context.Context, w io.Writer, r io.Reader) error {
	documents := json.NewDecoder(r)
	documents.UseNumber() // large numbers would change otherwise
	for {
		var document any
		switch err := documents.Decode(&document); {
		case err == io.EOF:
			return nil
		case err != nil:
			return &usageError{fmt.Sprintf("--jq: the output is not JSON: %v", err), "leave --jq out"}
		}
		// An expression may take for ever.
		limited, cancel := context.WithTimeoutCause(ctx, time.Duration(a.config.Timeout), agentsocket.ErrOverdue)
		err := a.query.print(w, a.query.code.RunWithContext(limited, document))
		overdue := errors.Is(context.Cause(limited), agentsocket.ErrOverdue)
		cancel()
		switch {
		case err == nil:
		case overdue:
			return &usageError{fmt.Sprintf("--jq %s: it did not end within --timeout", a.query.text), "raise --timeout"}
		default:
			return signalled(ctx, err)
		}
	}
}

// print prints results, each on lines of its own.
func (q *query) print(w io.Writer, results gojq.Iter) error {
	for {
		v, more := results.Next()
		if !more {
			return nil
		}
		if err, failed := v.(error); failed {
			if halt, ok := errors.AsType[*gojq.HaltError](err); ok && halt.Value() == nil {
				return nil
			}
			return &usageError{fmt.Sprintf("--jq %s: %v", q.text, err), "see its input with --jq ."}
		}
		var text bytes.Buffer
		if s, ok := v.(string); ok && q.raw {
			text.WriteString(s)
		} else {
			compact, err := gojq.Marshal(v)
			if err == nil {
				err = json.Indent(&text, compact, "", "  ")
			}
			if err != nil {
				return fmt.Errorf("--jq %s: %w", q.text, err)
			}
		}
		text.WriteByte('\n')
		if _, err := w.Write(text.Bytes()); err != nil {
			return err
		}
	}
}
