package transaction

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/chif/chiftest/redfish"
)

// patches are the PATCHes among requests.
func patches(requests []string) []string {
	return slices.DeleteFunc(requests, func(r string) bool { return !strings.HasPrefix(r, "PATCH ") })
}

// TestOnlyNeededWritesAreSent: what the iLO has already is left out, and the others are
// numbered anew; so are the changes.
func TestOnlyNeededWritesAreSent(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":""}`)
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.ilo.requests()
	run, err := f.CommitNeeded(context.Background(), "s")
	if err != nil {
		t.Fatal(err)
	}
	f.check(run.Result, api.Committed, api.Applied, api.Applied)
	var got []string
	for _, c := range run.Changes {
		got = append(got, fmt.Sprintf("%d %s %v", c.Number, c.Property, c.To))
	}
	if want := []string{"1 /HostName mine", "2 /AssetTag mine"}; !slices.Equal(got, want) || run.Writes[0].Number != 1 || run.Writes[1].Number != 2 {
		t.Errorf("%q, %s", got, asText(run))
	}
	if sent := patches(f.ilo.requests()); len(sent) != 2 {
		t.Errorf("%q", sent)
	}
	f.is(system, "/AssetTag", `"mine"`)
	f.is(network, "/HostName", `"mine"`)
	f.noFiles()
}

// TestWhatAWriteChangesAndTheNextPutsBackIsSent: each is needed, as the iLO will be then.
func TestWhatAWriteChangesAndTheNextPutsBackIsSent(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", system, `{"AssetTag":""}`)
	run, err := f.CommitNeeded(context.Background(), "s")
	if f.check(run.Result, api.Committed, api.Applied, api.Applied); err != nil || len(run.Changes) != 2 {
		t.Errorf("%s, %v", asText(run), err)
	}
	f.is(system, "/AssetTag", `""`)
}

// TestNothingIsSentIfNothingIsNeeded: the transaction is over then, and counts as done.
func TestNothingIsSentIfNothingIsNeeded(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	for _, bodies := range [][]string{nil, {`{"AssetTag":""}`, `{"AssetTag":""}`}} {
		f.begin()
		for _, body := range bodies {
			f.stage("PATCH", system, body)
		}
		f.ilo.requests()
		before := f.Stats().Committed
		run, err := f.CommitNeeded(context.Background(), "s")
		if f.check(run.Result, api.Unchanged); err != nil || len(run.Changes) != 0 || run.Changes == nil || run.Writes == nil {
			t.Errorf("%s, %v", asText(run), err)
		}
		if sent := patches(f.ilo.requests()); len(sent) != 0 {
			t.Errorf("%q", sent)
		}
		if _, err := f.Status("s"); err != ErrNone || f.Stats().Committed != before+1 {
			t.Errorf("%v, %+v", err, f.Stats())
		}
		f.noFiles()
	}
}

// TestPlanThatCannotBeReadLeavesTheTransaction: nothing is sent, and all writes are there.
func TestPlanThatCannotBeReadLeavesTheTransaction(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":""}`)
	f.stage("PATCH", network, `{"HostName":"mine"}`)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f.Manager.o.Next = roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		return f.ilo.RoundTrip(r)
	})
	f.ilo.requests()
	if _, err := f.CommitNeeded(ctx, "s"); err == nil {
		t.Fatal("committed without its client")
	}
	s, err := f.Status("s")
	if err != nil || s.State != api.Open || len(s.Writes) != 2 || s.Writes[1].Number != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if sent := patches(f.ilo.requests()); len(sent) != 0 {
		t.Errorf("%q", sent)
	}
	run, err := f.CommitNeeded(context.Background(), "s")
	if f.check(run.Result, api.Committed, api.Applied); err != nil {
		t.Error(err)
	}
}

// TestNobodyStagesBetweenPlanAndCommit: a write that comes while it is read what is needed
// is refused, and not part of it.
func TestNobodyStagesBetweenPlanAndCommit(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	late := make(chan error, 1)
	begun := false
	f.watch(func(*http.Request) {
		if begun {
			return
		}
		begun = true
		if _, err := f.Begin("s", 0); err != ErrOpen {
			t.Errorf("another one is begun: %v", err)
		}
		go func() {
			_, err := f.send("s", "PATCH", network, `{"HostName":"late"}`)
			late <- err
		}()
	})
	run, err := f.CommitNeeded(context.Background(), "s")
	if f.check(run.Result, api.Committed, api.Applied); err != nil {
		t.Error(err)
	}
	if err := <-late; err != nil && err != ErrCommitting && err != ErrNone {
		t.Error(err)
	}
}

// TestCommitOfWhatIsNeededGoesOnWithoutItsClient: once it sends, it ends, and the result
// waits for who asks.
func TestCommitOfWhatIsNeededGoesOnWithoutItsClient(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", network, `{"HostName":"ilo-sim"}`)
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", pending, `{"Attributes":{"AdminName":"mine"}}`)
	ctx, leave := context.WithCancel(context.Background())
	f.watch(func(r *http.Request) {
		if r.Method == "PATCH" {
			leave()
		}
	})
	run, err := f.CommitNeeded(ctx, "s")
	if f.check(run.Result, api.Committed, api.Applied, api.Applied); err != nil {
		t.Error(err)
	}
	f.check(f.report(), api.Committed, api.Applied, api.Applied)
	f.told()
	f.is(system, "/AssetTag", `"mine"`)
}

// TestCrashInACommitOfWhatIsNeeded: the next process undoes what was sent, and sends nothing
// a second time.
func TestCrashInACommitOfWhatIsNeeded(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", network, `{"HostName":"ilo-sim"}`)
	f.stage("PATCH", system, `{"AssetTag":"mine"}`)
	f.stage("PATCH", pending, `{"Attributes":{"AdminName":"mine"}}`)
	f.ilo.requests()
	f.ilo.on(2, "PATCH", "", crash)
	f.die(func() { _, _ = f.CommitNeeded(context.Background(), "s") })
	f.check(f.report(), api.RolledBack, api.Undone, api.Refused)
	f.is(system, "/AssetTag", `""`)
	if sent := patches(f.ilo.requests()); len(sent) != 3 { // one, one that was lost, one back
		t.Errorf("%q", sent)
	}
}

// TestErrantTransactionIsNotCommittedAsNeeded: it acts as a rollback, though nothing that is
// left would change anything.
func TestErrantTransactionIsNotCommittedAsNeeded(t *testing.T) {
	f := newFixture(t, redfish.Options{})
	f.begin()
	f.stage("PATCH", system, `{"AssetTag":""}`)
	if _, err := f.send("s", "PATCH", system, `{"AssetTag":`); err == nil {
		t.Error("staged")
	}
	run, err := f.CommitNeeded(context.Background(), "s")
	if f.check(run.Result, api.RolledBack, api.NotSent, api.NotSent); err != ErrErrant {
		t.Error(err)
	}
	if _, err := f.CommitNeeded(context.Background(), "s"); err != ErrNone {
		t.Errorf("twice: %v", err)
	}
}
