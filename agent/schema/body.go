package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const (
	maxBody   = 4 << 20 // bytes of a body that is written
	maxDepth  = 32      // levels of objects and arrays in it
	maxValues = 100_000 // in it, which bounds the memory that it takes
)

// syntaxError is where and why a body is not strict JSON.
type syntaxError struct {
	offset  int // bytes before the place
	pointer string
	why     string
}

// parse reads strict JSON: one value in UTF-8, no name twice in an object, and
// neither too large nor too deep. Numbers become json.Number.
func parse(body []byte) (any, *syntaxError) {
	if len(body) > maxBody {
		return nil, &syntaxError{maxBody, "", fmt.Sprintf("over %d MiB", maxBody>>20)}
	}
	if i := invalidUTF8(body); i >= 0 {
		return nil, &syntaxError{i, "", "not UTF-8"}
	}
	p := &parser{Decoder: json.NewDecoder(bytes.NewReader(body))}
	p.UseNumber()
	v := p.value(nil, 0)
	if p.bad == nil {
		if _, err := p.Token(); !errors.Is(err, io.EOF) {
			p.fail(nil, "something after the end")
		}
	}
	return v, p.bad
}

// ParseObject reads a body that is written as strict JSON: an object in UTF-8, at
// most 4 MiB, 32 levels deep and of 100,000 values, no name twice in an object. Numbers become
// json.Number. A body that is none is a violation with a place and a reason.
func ParseObject(body []byte) (map[string]any, *Violation) {
	v, bad := parse(body)
	if bad != nil {
		violation := bad.violation(body)
		return nil, &violation
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, &Violation{Key: "MalformedJSON", Text: "the body must be a JSON object"}
	}
	return object, nil
}

func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

type parser struct {
	*json.Decoder
	values int
	bad    *syntaxError
}

func (p *parser) fail(at *trail, why string) {
	if p.bad == nil {
		p.bad = &syntaxError{int(p.InputOffset()), at.shown(), why}
	}
}

func (p *parser) value(at *trail, depth int) any {
	t, err := p.Token()
	if err != nil {
		p.broken(at, err)
		return nil
	}
	if p.values++; p.values > maxValues {
		p.fail(at, fmt.Sprintf("more than %d values", maxValues))
		return nil
	}
	delim, ok := t.(json.Delim)
	if !ok {
		return t
	}
	if depth == maxDepth {
		p.fail(at, fmt.Sprintf("more than %d levels deep", maxDepth))
		return nil
	}
	if delim == '[' {
		list := []any{}
		for p.bad == nil && p.More() {
			list = append(list, p.value(at.element(len(list)), depth+1))
		}
		p.end(at)
		return list
	}
	object := map[string]any{}
	for p.bad == nil && p.More() {
		t, err := p.Token()
		if err != nil {
			p.broken(at, err)
			break
		}
		name := t.(string) // the decoder sees to it
		below := at.property(name)
		if _, twice := object[name]; twice {
			p.fail(below, fmt.Sprintf("%q twice in one object", short(name)))
			break
		}
		object[name] = p.value(below, depth+1)
	}
	p.end(at)
	return object
}

// end reads the end of an object or array.
func (p *parser) end(at *trail) {
	if p.bad != nil {
		return
	}
	if _, err := p.Token(); err != nil {
		p.broken(at, err)
	}
}

func (p *parser) broken(at *trail, err error) {
	why := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		why = "it ends too early"
	}
	p.fail(at, why)
	if s, ok := errors.AsType[*json.SyntaxError](err); ok && p.bad.offset < int(s.Offset) {
		p.bad.offset = int(s.Offset)
	}
}

// violation tells the place in lines and columns, both counted from 1.
func (e *syntaxError) violation(body []byte) Violation {
	before := body[:min(e.offset, len(body))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	return Violation{Key: "MalformedJSON", Pointer: e.pointer,
		Text: fmt.Sprintf("malformed JSON at line %d, column %d: %s", line, column, e.why)}
}
