package schema

import (
	"bytes"
	"encoding/json"
)

// present is raw JSON of the iLO, parsed on demand; nil if there is none. Malformed
// parts count as absent.
type present []byte

// kind is the kind of value: number for all numbers, null if there is none.
func (p present) kind() kind {
	if len(p) == 0 {
		return null
	}
	switch p[0] {
	case '{':
		return object
	case '[':
		return array
	case '"':
		return text
	case 't', 'f':
		return boolean
	case 'n':
		return null
	}
	return number
}

// members are those of an object, nil if it is none.
func (p present) members() map[string]present {
	if p.kind() != object {
		return nil
	}
	m := make(map[string]present, len(p)/64)
	p.each(func(name, v present) {
		if key := name[1 : len(name)-1]; bytes.IndexByte(key, '\\') < 0 {
			m[string(key)] = v
		} else {
			m[name.text()] = v
		}
	})
	return m
}

// elements are those of an array, nil if it is none.
func (p present) elements() (list []present) {
	if p.kind() == array {
		p.each(func(_, v present) { list = append(list, v) })
	}
	return list
}

// each goes through an object or an array, whose elements have no name. It stops
// where something is broken.
func (p present) each(f func(name, v present)) {
	for i := space(p, 1); i < len(p); i = space(p, i) {
		var name present
		if p[0] == '{' {
			end := skip(p, i)
			if p[i] != '"' || end < 0 {
				return
			}
			name = p[i:end]
			if i = space(p, end); i == len(p) || p[i] != ':' {
				return
			}
			i = space(p, i+1)
		}
		end := skip(p, i)
		if end < 0 {
			return
		}
		f(name, p[i:end:end])
		if i = space(p, end); i == len(p) || p[i] != ',' {
			return
		}
		i++
	}
}

func space(p present, i int) int {
	for i < len(p) && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t') {
		i++
	}
	return i
}

// skip finds the end of the value that begins at i, -1 if there is none.
func skip(p present, i int) int {
	for depth := 0; i < len(p); i++ {
		switch p[i] {
		case '"':
			for i++; i < len(p) && p[i] != '"'; i++ {
				if p[i] == '\\' {
					i++
				}
			}
			if i >= len(p) {
				return -1
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return -1
			}
		case ',', ':', ' ', '\n', '\r', '\t':
			if depth == 0 {
				return -1
			}
			continue
		default:
			for i+1 < len(p) && bytes.IndexByte([]byte(",:]} \n\r\t"), p[i+1]) < 0 {
				i++
			}
		}
		if depth == 0 {
			return i + 1
		}
	}
	return -1
}

// text is that of a string, "" if it is none.
func (p present) text() (s string) {
	if p.kind() == text {
		_ = json.Unmarshal(p, &s)
	}
	return s
}

// strings are those of an array of strings, nil if it is none.
func (p present) strings() (list []string) {
	if p.kind() != array || json.Unmarshal(p, &list) != nil {
		return nil
	}
	return list
}

// scalar is value, but without what is in an object or an array.
func (p present) scalar() any {
	switch p.kind() {
	case object:
		return map[string]any(nil)
	case array:
		return []any(nil)
	}
	return p.value()
}

// value is what it stands for, nil for null and for nothing.
func (p present) value() (v any) {
	d := json.NewDecoder(bytes.NewReader(p))
	d.UseNumber()
	_ = d.Decode(&v)
	return v
}
