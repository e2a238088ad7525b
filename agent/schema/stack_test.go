package schema_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/chif"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

// behind makes a Checker that reads an iLO through its channel and the cache.
func behind(tb testing.TB, tr *tree.Tree) (*schema.Checker, *redfish.Service) {
	tb.Helper()
	generation, _ := tr.Generation()
	service, err := redfish.New(redfish.Options{Tree: tr, Generation: min(generation, 6), Frozen: true, AllowSessionless: true})
	if err != nil {
		tb.Fatal(err)
	}
	transport := chiftest.NewTransport(tb, chiftest.New(tb, chiftest.Options{Handler: service}).Device(), chif.TransportOptions{})
	store, err := cache.Open(tb.Context(), cache.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	fresh := freshness.New(freshness.Options{Next: transport, Store: store})
	tb.Cleanup(func() {
		fresh.Close()
		store.Close()
		transport.Close()
	})
	return schema.NewChecker(fresh), service
}

var bootOnce = schema.Write{Method: http.MethodPatch, Path: "/redfish/v1/Systems/1/",
	Body: []byte(`{"Boot":{"BootSourceOverrideTarget":"Pxe","BootSourceOverrideEnabled":"once"},"Oem":{"Hpe":{"PowerRegulatorMode":"OSControl"}}}`)}

var setBIOS = schema.Write{Method: http.MethodPatch, Path: "/redfish/v1/systems/1/bios/settings/",
	Body: []byte(`{"Attributes":{"WorkloadProfile":"Costum","AdminName":"Me","BootOrderPolicy":"AttemptOnce"}}`)}

// TestReadsOnce checks from many sides at once: the iLO is asked for each document
// once, and only for those that are needed.
func TestReadsOnce(t *testing.T) {
	tr := trees(t)["ilo5-3.11-dl360-gen10plus"]
	c, service := behind(t, tr)
	system, _ := tr.Lookup(bootOnce.Path)
	settings, _ := tr.Lookup(setBIOS.Path)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, w := range []schema.Write{bootOnce, setBIOS} {
				w.Current = system.Body
				if w.Path == setBIOS.Path {
					w.Current = settings.Body
				}
				got, err := c.Check(t.Context(), w)
				if err != nil || len(got) != 1 || got[0].Key != "PropertyValueNotInList" {
					t.Errorf("%v %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for what, n := range service.Stats().Requests {
		total += n
		t.Log(what, n)
	}
	// The two catalogues, and file and location each of ComputerSystem, its Oem
	// part, Bios, and the registry.
	if total != 2+2*4 {
		t.Errorf("%d requests", total)
	}
}

func BenchmarkCheck(b *testing.B) {
	tr := trees(b)["ilo6-1.66-dl380a-gen11"]
	c, _ := behind(b, tr)
	for name, w := range map[string]schema.Write{"system": bootOnce, "bios": setBIOS} {
		r, _ := tr.Lookup(w.Path)
		w.Current = r.Body
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, err := c.Check(b.Context(), w); len(v) != 1 || err != nil {
					b.Fatal(v, err)
				}
			}
		})
	}
}

// BenchmarkFirst is a check that has to read and parse a registry of 800 KB.
func BenchmarkFirst(b *testing.B) {
	next := frozen(b, trees(b)["ilo6-1.66-dl380a-gen11"])
	for b.Loop() {
		if v, err := schema.NewChecker(next).Check(b.Context(), setBIOS); len(v) != 1 || err != nil {
			b.Fatal(v, err)
		}
	}
}
