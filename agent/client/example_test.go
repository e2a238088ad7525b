package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ilod/ilod/agent/api"
	"github.com/ilod/ilod/agent/client"
)

// A transaction in a client session of its own: two writes are checked, compared with what
// the iLO has, and sent together.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &client.Client{Transport: engine} // client.Client{} is for the system's agent

	_, handle, err := c.NewSession(ctx, api.NewSession{Name: "example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	c.Handle = handle
	defer func() { _ = c.EndSession(ctx, client.Current) }()

	if _, err := c.Begin(ctx, 0); err != nil {
		fmt.Println(err)
		return
	}
	for path, body := range map[string]string{
		"/redfish/v1/Systems/1/":                  `{"AssetTag":"rack 7"}`,
		"/redfish/v1/Managers/1/NetworkProtocol/": `{"HostName":"ilo-7"}`,
	} {
		if _, err := c.Stage(ctx, "PATCH", path, []byte(body)); err != nil {
			fmt.Println(err)
			return
		}
	}
	changes, err := c.Changes(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, change := range changes {
		fmt.Println(change.Property, change.To)
	}
	result, err := c.Commit(ctx)
	fmt.Println(result.Result, len(result.Writes), err)
	// Unordered output:
	// /AssetTag rack 7
	// /HostName ilo-7
	// committed 2 <nil>
}

// errors.Is tells what was refused, and errors.As gets the answer.
func ExampleError() {
	c := &client.Client{Transport: engine}
	_, err := c.Commit(context.Background())
	fmt.Println(errors.Is(err, client.ErrNoTransaction))
	if refused, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(refused.Answer.Status)
	}
	// Output:
	// true
	// 404
}

func ExampleClient_SetVariables() {
	ctx := context.Background()
	c := &client.Client{Transport: engine}
	s, err := c.SetVariables(ctx, client.Current, map[string]any{"activePath": "/redfish/v1/Systems/1/", "recursive": true})
	fmt.Println(s.ActivePath, s.Recursive, err)
	s, err = c.SetVariables(ctx, client.Current, map[string]any{"activePath": nil, "recursive": nil})
	fmt.Println(s.ActivePath, s.Recursive, err)
	// Output:
	// /redfish/v1/Systems/1/ true <nil>
	// /redfish/v1/ false <nil>
}

func ExampleClient_SetLimits() {
	ctx := context.Background()
	c := &client.Client{Transport: engine}
	l, err := c.SetLimits(ctx, map[string]any{"inactivityTimeout": api.Seconds(time.Hour), "whenFull": api.Ask})
	fmt.Println(time.Duration(l.InactivityTimeout), l.WhenFull, err)
	l, err = c.SetLimits(ctx, map[string]any{"inactivityTimeout": nil, "whenFull": nil})
	fmt.Println(time.Duration(l.InactivityTimeout), l.WhenFull, err)
	// Output:
	// 1h0m0s ask <nil>
	// 30m0s reject <nil>
}

func ExampleClient_WarmCache() {
	c := &client.Client{Transport: engine}
	last := 0
	p, err := c.WarmCache(context.Background(), api.Warm{}, func(done, _ int) { last = done })
	fmt.Println(p.Done > 0 && p.Done == last && p.Done == p.Total, p.Finished, err)
	// Output: true true <nil>
}

func ExampleClient_Health() {
	c := &client.Client{Transport: engine}
	report, err := c.Health(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.State)
	// Output: OK
}

func ExampleClient_ILOSessions() {
	c := &client.Client{Transport: engine}
	table, err := c.ILOSessions(context.Background())
	for _, s := range table {
		fmt.Println(s.Kind, s.Ours, s.Current, time.Duration(s.Idle) < time.Minute)
	}
	fmt.Println(err)
	// Output:
	// RESTHost true true true
	// <nil>
}
