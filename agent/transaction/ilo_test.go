package transaction

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/chif/chiftest"
	"github.com/ilod/ilod/chif/chiftest/redfish"
	"github.com/ilod/ilod/chif/chiftest/tree"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Resources of the generated tree.
const (
	system        = "/redfish/v1/Systems/1"
	network       = "/redfish/v1/Managers/1/NetworkProtocol"
	bios          = "/redfish/v1/systems/1/bios/"
	pending       = bios + "settings/"
	accounts      = "/redfish/v1/AccountService/Accounts"
	subscriptions = "/redfish/v1/EventService/Subscriptions"
)

// What goes wrong with one request.
type fault string

const (
	none       fault = ""
	notSent    fault = "not sent"
	dropped    fault = "dropped" // no answer, and it is not executed
	lost       fault = "lost"    // no answer, but it is executed
	late       fault = "late"    // no answer, and it is executed two requests later
	before500  fault = "500"     // and it is not executed
	after500   fault = "500 all the same"
	status412  fault = "412"
	status400  fault = "400"
	garbage    fault = "garbage"
	crash      fault = "crash"
	afterCrash fault = "crash after it"
)

var (
	errLost    = errors.New("the answer was lost")
	errNotSent = errors.New("nothing was sent")
)

// ilo is a simulated iLO in this process.
type ilo struct {
	*redfish.Service
	mu    sync.Mutex
	fault func(r *http.Request) fault // of the next request; nil: none
	queue []func()                    // what is executed late
	wait  int
	log   []string // method and path of each request
}

// smallTree is what the tests here are about, which is faster than everything.
var smallTree = sync.OnceValue(func() *tree.Tree {
	var some []tree.Resource
	all := tree.Generate(tree.GenerateOptions{})
	for _, path := range []string{"/redfish/v1", system, network, bios, pending, accounts, accounts + "/1", subscriptions,
		subscriptions + "/1", "/redfish/v1/Chassis/1", "/redfish/v1/Chassis/1/Power", "/redfish/v1/ResourceDirectory"} {
		r, ok := all.Lookup(path)
		if !ok {
			panic(path)
		}
		some = append(some, r)
	}
	small, err := tree.New(some)
	if err != nil {
		panic(err)
	}
	return small
})

func newILO(t interface{ Fatal(...any) }, o redfish.Options) *ilo {
	if o.Tree == nil {
		o.Tree = smallTree()
	}
	o.AllowSessionless = true
	s, err := redfish.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return &ilo{Service: s}
}

// RoundTrip carries a request to the iLO, unless a fault is due.
func (i *ilo) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		_ = r.Body.Close()
	}
	i.mu.Lock()
	i.log = append(i.log, r.Method+" "+r.URL.Path)
	if i.wait--; i.wait <= 0 {
		for _, do := range i.queue {
			do()
		}
		i.queue = nil
	}
	f := none
	if i.fault != nil {
		f = i.fault(r)
	}
	i.mu.Unlock()
	execute := func() *http.Response {
		w := httptest.NewRecorder()
		again := httptest.NewRequest(r.Method, r.URL.RequestURI(), bytes.NewReader(body))
		again.Header, again.RemoteAddr = r.Header.Clone(), chiftest.InBand
		i.ServeHTTP(w, again)
		resp := w.Result()
		resp.Request = r
		return resp
	}
	answer := func(status int, body string) (*http.Response, error) {
		return &http.Response{Status: fmt.Sprint(status), StatusCode: status, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
	switch f {
	case notSent:
		return nil, errNotSent
	case dropped:
		return nil, errLost
	case lost:
		execute()
		return nil, errLost
	case late:
		i.mu.Lock()
		i.queue, i.wait = append(i.queue, func() { execute() }), 2
		i.mu.Unlock()
		return nil, errLost
	case before500:
		return answer(500, `{"error":{"@Message.ExtendedInfo":[{"MessageId":"iLO.2.14.InternalError"}]}}`)
	case after500:
		execute()
		return answer(500, "")
	case status412:
		return answer(412, "")
	case status400:
		return answer(400, "")
	case garbage:
		execute()
		return answer(200, "\xa5\xa5{")
	case crash:
		runtime.Goexit()
	case afterCrash:
		execute()
		runtime.Goexit()
	}
	return execute(), nil
}

// on makes the n-th request that fits go wrong, once.
func (i *ilo) on(n int, method, path string, f fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fault = func(r *http.Request) fault {
		if (method != "" && r.Method != method) || (path != "" && ilopath.Canonical(r.URL.Path) != ilopath.Canonical(path)) {
			return none
		}
		if n--; n == 0 {
			return f
		}
		return none
	}
}

// heal ends all faults.
func (i *ilo) heal() {
	i.mu.Lock()
	i.fault = nil
	i.mu.Unlock()
}

// do is a request of somebody else.
func (i *ilo) do(method, path, body string) (int, map[string]any) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = chiftest.InBand
	i.ServeHTTP(w, r)
	v, _ := decode(w.Body.Bytes())
	o, _ := v.(map[string]any)
	return w.Code, o
}

// value is what the iLO has now, as JSON.
func (i *ilo) value(path, pointer string) string {
	status, body := i.do(http.MethodGet, path, "")
	if status != http.StatusOK {
		return http.StatusText(status)
	}
	return string(encode(at(body, pointer)))
}

// requests are those since the last call.
func (i *ilo) requests() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	log := i.log
	i.log = nil
	return log
}

// fixture is a Manager over a simulated iLO.
type fixture struct {
	*Manager
	t   testing.TB
	ilo *ilo
	dir string
	now time.Time
	out bytes.Buffer // the log
}

func newFixture(t testing.TB, o redfish.Options) *fixture {
	f := &fixture{t: t, ilo: newILO(t, o), dir: memoryDir(t), now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	f.start(Options{})
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// memoryDir is a directory whose files cost no disk thousands of fsyncs, where
// the host has such.
func memoryDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "transaction")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// start makes a Manager as a new process would.
func (f *fixture) start(o Options) {
	f.t.Helper()
	var err error
	if f.Manager, err = New(f.options(o)); err != nil {
		f.t.Fatal(err)
	}
}

// watch has each request of the present Manager seen before the iLO gets it.
func (f *fixture) watch(see func(r *http.Request)) {
	f.Manager.o.Next = roundTrip(func(r *http.Request) (*http.Response, error) {
		see(r)
		return f.ilo.RoundTrip(r)
	})
}

func (f *fixture) options(o Options) Options {
	if o.Next == nil {
		o.Next = f.ilo
	}
	o.Dir = f.dir
	o.Unknown = func(err error) bool { return !errors.Is(err, errNotSent) }
	o.Now = func() time.Time { return f.now }
	o.Log = logTo(&f.out)
	if o.pause == 0 {
		o.pause = time.Microsecond
	}
	if o.Late == 0 {
		o.Late = time.Nanosecond
	}
	return o
}

// send sends a request in a client session.
func (f *fixture) send(session, method, path, body string, header ...string) (*http.Response, error) {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r = r.WithContext(WithSession(context.Background(), session))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := f.RoundTrip(r)
	if err == nil {
		f.t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

// stage is send for a write that is staged.
func (f *fixture) stage(method, path, body string) {
	f.t.Helper()
	resp, err := f.send("s", method, path, body)
	if err != nil || resp.StatusCode != http.StatusAccepted {
		f.t.Fatalf("%s %s: %v %v", method, path, resp, err)
	}
}

func (f *fixture) begin() {
	f.t.Helper()
	if _, err := f.Begin("s", 0); err != nil {
		f.t.Fatal(err)
	}
}

// commit commits and checks what comes of it: the verdict and the outcomes.
func (f *fixture) commit(want api.Verdict, outcomes ...api.Outcome) (api.Result, error) {
	f.t.Helper()
	r, err := f.Commit(context.Background(), "s")
	f.check(r, want, outcomes...)
	if failed, ok := errors.AsType[*FailedError](err); (err == nil) != (want == api.Committed) || ok && failed.Result.Result != want {
		f.t.Errorf("error %v of a commit that is %s", err, want)
	}
	return r, err
}

func (f *fixture) check(r api.Result, want api.Verdict, outcomes ...api.Outcome) {
	f.t.Helper()
	var got []api.Outcome
	for _, w := range r.Writes {
		got = append(got, w.Outcome)
	}
	if r.Result != want || fmt.Sprint(got) != fmt.Sprint(outcomes) {
		f.t.Errorf("%s %v, want %s %v: %s", r.Result, got, want, outcomes, asText(r))
	}
}

// is checks a value of the iLO.
func (f *fixture) is(path, pointer, want string) {
	f.t.Helper()
	if got := f.ilo.value(path, pointer); got != want {
		f.t.Errorf("%s %s is %s, want %s", path, pointer, got, want)
	}
}

// die runs something that ends in a crash of this process, and starts anew.
func (f *fixture) die(do func()) {
	f.t.Helper()
	if survives(do) {
		f.t.Error("nothing crashed")
	}
	f.ilo.heal()
	f.start(Options{})
}

// survives runs something that may end in a crash, and tells whether it did not.
func survives(do func()) (survived bool) {
	done := make(chan bool)
	go func() {
		defer close(done)
		do()
		survived = true
	}()
	<-done
	return survived
}

// report recovers and returns what Status tells of it.
func (f *fixture) report() api.Result {
	f.t.Helper()
	if err := f.Recover(context.Background()); err != nil {
		f.t.Fatal(err)
	}
	s, err := f.Status("s")
	if s.Report == nil || !errors.Is(err, ErrNone) {
		f.t.Fatalf("no report: %v", err)
	}
	f.told()
	f.noFiles()
	return *s.Report
}

// told is a client that was told what became of its transaction, and goes on.
func (f *fixture) told() {
	f.t.Helper()
	if s, _ := f.Status("s"); s.Report != nil {
		if err := f.Acknowledge("s", s.Report.ID); err != nil {
			f.t.Error(err)
		}
	}
	if _, err := f.Rollback("s"); !errors.Is(err, ErrNone) {
		f.t.Error(err)
	}
}

// noFiles checks that no journal is left.
func (f *fixture) noFiles() {
	f.t.Helper()
	files, err := os.ReadDir(f.dir)
	if err != nil || len(files) > 0 {
		f.t.Errorf("left: %v %v", files, err)
	}
}

func asText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
