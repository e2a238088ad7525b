package transaction

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// numbers is a body of n bytes that takes much memory once it is read.
func numbers(n int) string {
	const before, after = `{"a":[1`, `]}`
	return before + strings.Repeat(",1", (n-len(before)-len(after))/2) + strings.Repeat(" ", (n-len(before)-len(after))%2) + after
}

// TestBodyOfStagedWriteIsBounded: 256 KiB can be staged, one byte more cannot, and
// the refusal says what to do. What is sent at once may have more.
func TestBodyOfStagedWriteIsBounded(t *testing.T) {
	text := func(n int) string {
		return `{"AssetTag":"` + strings.Repeat("x", n-len(`{"AssetTag":""}`)) + `"}`
	}
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, text(256<<10))
	_, err := f.send("s", "PATCH", system, text(256<<10+1))
	if !errors.Is(err, ErrLarge) || !strings.Contains(err.Error(), "more than 256 KiB: leave out") {
		t.Error(err)
	}
	resp, err := f.send("s", "PATCH", system, text(256<<10+1), "Ilod-Transaction", "immediate")
	if err != nil || resp.StatusCode >= 500 {
		t.Error(resp, err)
	}
}

// heap is how much memory is in use.
func heap() int {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}

// TestOpenTransactionsTakeBoundedMemory stages as much as is taken in many client
// sessions, good writes and refused ones. What is given back is there again.
func TestOpenTransactionsTakeBoundedMemory(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	body := numbers(150_000)
	fill := func(session string) (staged int) {
		if _, err := f.Begin(session, 0); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			resp, err := f.send(session, "PATCH", system, body)
			switch {
			case errors.Is(err, ErrLarge):
				return staged
			case err != nil || resp.StatusCode != http.StatusAccepted:
				t.Fatal(resp, err)
			}
			staged++
		}
		return staged
	}
	before := heap()
	const sessions = 12
	total := 0
	for i := range sessions {
		total += fill(fmt.Sprint("s", i))
	}
	took := heap() - before
	t.Logf("%d writes of %d bytes take %d MiB", total, len(body), took>>20)
	if took > 2*maxWeights || total < 4 {
		t.Errorf("%d writes take %d MiB, and %d MiB are allowed", total, took>>20, 2*maxWeights>>20)
	}
	for i := range sessions {
		if _, err := f.Rollback(fmt.Sprint("s", i)); err != nil {
			t.Error(err)
		}
	}
	if n := fill("again"); n < 2 {
		t.Errorf("only %d writes after all others were given back", n)
	}
}

// TestLongNameAboveManyPropertiesIsRefused: each property would have a pointer with
// that name in it.
func TestLongNameAboveManyPropertiesIsRefused(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	var properties []string
	for i := range 8000 {
		properties = append(properties, fmt.Sprintf(`"a%d":1`, i))
	}
	body := `{"` + strings.Repeat("x", 128<<10) + `":{` + strings.Join(properties, ",") + `}}`
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := f.send("s", "PATCH", system, body)
	if runtime.ReadMemStats(&after); !errors.Is(err, ErrLarge) || after.TotalAlloc-before.TotalAlloc > 128<<20 {
		t.Errorf("%d MiB, %v", (after.TotalAlloc-before.TotalAlloc)>>20, err)
	}
}

// TestRefusedWritesTakeBoundedMemory goes on to write to an errant transaction.
func TestRefusedWritesTakeBoundedMemory(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	for range 3000 {
		if _, err := f.send("s", "PATCH", system, "no JSON"); err == nil {
			t.Fatal("staged")
		}
	}
	s, err := f.Status("s")
	if err != nil || s.State != api.Errant || len(s.Writes) > 1001 {
		t.Errorf("%d writes are held, %v", len(s.Writes), err)
	}
}

// TestReportsEndWithTheirClientSession: nobody could ask for them any more; the log
// says that no client has read it.
func TestReportsEndWithTheirClientSession(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.Manager.report("s", &report{result: api.Result{Result: api.Unknown}, time: f.now})
	if s, _ := f.Status("s"); s.Report == nil {
		t.Error("there is no report")
	}
	f.Drop("s", "it was ended")
	if s, _ := f.Status("s"); s.Report != nil || !strings.Contains(f.out.String(), "the result of a commit is discarded; no client has read it") {
		t.Errorf("%v\n%s", s.Report, f.out.String())
	}
}

// TestErrorOfManyViolationsIsShort: it tells the first ones.
func TestErrorOfManyViolationsIsShort(t *testing.T) {
	err := &ViolationError{make([]Violation, 50)}
	for i := range err.Violations {
		err.Violations[i].Text = fmt.Sprint("reason ", i)
	}
	if got := err.Error(); got != "reason 0; reason 1; reason 2; reason 3; reason 4; and 45 more" {
		t.Error(got)
	}
	if err.Violations = err.Violations[:5]; !bytes.HasSuffix([]byte(err.Error()), []byte("reason 4")) {
		t.Error(err)
	}
}
