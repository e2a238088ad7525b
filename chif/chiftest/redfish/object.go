package redfish

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// object is a JSON object whose members keep their order and whose values keep
// their bytes, so that a change of one property leaves the others as captured.
type object []member

type member struct {
	key   string
	value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

func parseObject(raw []byte) (object, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil {
		return nil, err
	} else if t != json.Delim('{') {
		return nil, errNotObject
	}
	var o object
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: key.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		o = append(o, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("something follows the JSON object")
	}
	return o, nil
}

func (o object) get(key string) (json.RawMessage, bool) {
	for _, m := range o {
		if m.key == key {
			return m.value, true
		}
	}
	return nil, false
}

func (o object) text(key string) string {
	raw, _ := o.get(key)
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

func (o *object) set(key string, value json.RawMessage) {
	for i := range *o {
		if (*o)[i].key == key {
			(*o)[i].value = value
			return
		}
	}
	*o = append(*o, member{key, value})
}

func (o object) bytes() json.RawMessage {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, encode(m.key)...), ':'), m.value...)
	}
	return append(b, '}')
}

// setIn replaces the value at a path of keys in raw and makes missing objects
// on the way.
func setIn(raw json.RawMessage, value json.RawMessage, path ...string) (json.RawMessage, error) {
	if len(path) == 0 {
		return value, nil
	}
	o, err := parseObject(raw)
	if err != nil {
		return nil, err
	}
	inner, ok := o.get(path[0])
	if !ok {
		inner = json.RawMessage("{}")
	}
	if inner, err = setIn(inner, value, path[1:]...); err != nil {
		return nil, err
	}
	o.set(path[0], inner)
	return o.bytes(), nil
}

// getIn returns the value at a path of keys, nil if there is none.
func getIn(raw json.RawMessage, path ...string) json.RawMessage {
	for _, key := range path {
		o, err := parseObject(raw)
		if err != nil {
			return nil
		}
		raw, _ = o.get(key)
	}
	return raw
}

// encode is json.Marshal without its HTML escapes, for values that marshal.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return json.RawMessage(strconv.Quote(err.Error()))
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
