package clients

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	mathrand "math/rand/v2"
	"strings"
	"testing"
)

func TestHandle(t *testing.T) {
	secret := bytes.Repeat([]byte{7, 200}, keySize/2)
	k := newMACKey(secret)
	id := newID()
	if !validID(id) {
		t.Fatal(id)
	}
	for _, version := range []uint64{0, 1, 10, math.MaxUint64} {
		handle := k.handle(id, version)
		message := handle[:strings.LastIndexByte(handle, '.')]
		h := hmac.New(sha256.New, secret)
		h.Write([]byte(message))
		if want := message + "." + base64.RawURLEncoding.EncodeToString(h.Sum(nil)); handle != want {
			t.Errorf("%s, want %s", handle, want)
		}
		if gotID, got, ok := k.open(handle); gotID != id || got != version || !ok {
			t.Errorf("%s: %s %d %v", handle, gotID, got, ok)
		}
		for i := range handle { // a change of any byte
			b := []byte(handle)
			b[i] ^= 1
			if _, _, ok := k.open(string(b)); ok {
				t.Errorf("%s is taken for %s", b, handle)
			}
			if _, _, ok := k.open(handle[:i]); ok {
				t.Errorf("%s is taken for %s", handle[:i], handle)
			}
		}
		for _, forged := range []string{handle + "=", handle + ".", handle + handle, " " + handle, newMACKey(nil).handle(id, version)} {
			if _, _, ok := k.open(forged); ok {
				t.Errorf("%s is taken for %s", forged, handle)
			}
		}
	}
	for _, id := range []string{"", "ilod-", "ilod-0123456789abcde", "ilod-0123456789abcdefa", "ilod-0123456789abcdeF", "ilod-012345678.abcdef", "root-0123456789abcdef"} {
		if validID(id) {
			t.Errorf("%q is an id", id)
		}
	}
}

// forge makes handles that only their MAC tells from genuine ones, and others.
func forge(genuine string, n int) []string {
	other, id := newMACKey([]byte("another key")), genuine[:idSize]
	all := make([]string, n)
	for i := range all {
		switch i % 5 {
		case 0:
			all[i] = other.handle(id, uint64(i))
		case 1:
			b := []byte(genuine)
			b[len(b)-1-i%macSize] ^= byte(1 + mathrand.IntN(255))
			all[i] = string(b)
		case 2:
			all[i] = id + "." + strings.Repeat("9", 1+i%30) + genuine[idSize+2:]
		case 3:
			all[i] = strings.Repeat("x.", i%100)
		case 4:
			all[i] = genuine[:len(genuine)-1-i%len(genuine)]
		}
	}
	return all
}

// TestForgedFlood: a forged handle is refused without memory, without a look at
// the sessions, and without their lock, which the test has.
func TestForgedFlood(t *testing.T) {
	const n = 100_000
	r, _ := inMemory(t, nil)
	_, genuine := create(t, r, alice, Request{})
	forged := forge(genuine, n)
	before := r.Stats()

	i := 0
	r.mu.Lock()
	allocs := testing.AllocsPerRun(n-1, func() { // which runs it once more to warm up
		if _, err := r.Use(forged[i], alice.Key); !errors.Is(err, ErrHandle) {
			t.Errorf("%q: %v", forged[i], err)
		}
		i++
	})
	r.mu.Unlock()
	if allocs != 0 {
		t.Errorf("%v allocations for a forged handle", allocs)
	}
	before.Forged += n
	if got := r.Stats(); got != before {
		t.Errorf("%+v, want %+v", got, before)
	}
	if err := use(r, genuine, alice.Key); err != nil {
		t.Error(err)
	}
}
