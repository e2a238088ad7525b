package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// isPath tells a path from a property.
func isPath(arg string) bool {
	return arg == "" || strings.HasPrefix(arg, "/") || isRelative(arg) || strings.Contains(arg, "://") || strings.HasPrefix(arg, "redfish/")
}

func (a *app) getCommand() *cobra.Command {
	var s selecting
	var recursive, writable bool
	cmd := &cobra.Command{
		Use:   "get [PATH...|PROPERTY...]",
		Short: "Print resources, or properties of the selected resources",
		Long: `Print resources or properties. An argument that begins with "/", "./" or "../", or
that ends with "/", is a PATH. One that does not begin with "/" begins at the active path.

The body of a single PATH is printed exactly as the iLO gives it, byte for byte,
with a newline added only on a terminal. The bodies of several paths each end with a
newline. With --json they become one JSON array in the order of the paths, with null
for a path that failed. The exit code is that of the first failure. A JSON pointer
behind "#" selects a part of the resource.

A PROPERTY of the selected resources, or of those of --select, is printed as
Name=Value, with the properties inside it indented. With --json it is an object, or
an array of objects for several resources. It may be a path such as
Oem/Hpe/PostState. Without PROPERTY all are printed but the reserved ones; "list"
prints those, too. If one of several resources cannot be read, get names it, prints
the rest (null for it with --json), and exits with code 104.`,
		Example: `  ilod get /redfish/v1/Systems/1/
  ilod get '/redfish/v1/Systems/1/#/ProcessorSummary/Model'
  ilod get '/redfish/v1/Chassis/?$expand=.' --jq '.Members[].Model' --raw
  ilod get PowerState ProcessorSummary/Model --select ComputerSystem.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			selects := s.text != "" || s.filters != nil || writable
			if len(args) == 0 || selects || !slices.ContainsFunc(args, isPath) {
				return a.getProperties(cmd, &s, args, recursive, writable)
			}
			return a.getPaths(cmd, &s.reading, args, recursive)
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().BoolVar(&recursive, "recursive", false, "print each resource and everything below it")
	cmd.Flags().BoolVar(&writable, "noreadonly", false, "print only properties that can be written")
	return cmd
}

// getPaths prints the resources at paths, and those below if it is recursive.
func (a *app) getPaths(cmd *cobra.Command, age *reading, args []string, recursive bool) error {
	paths := make([]*url.URL, len(args))
	for i, arg := range args {
		var err error
		if !isPath(arg) {
			return &usageError{fmt.Sprintf("%q is a property, and the others are paths", arg), "ilod get " + arg + " --select PATH"}
		}
		if paths[i], err = parsePath(arg); err != nil {
			return err
		}
	}
	header, err := age.header()
	if err != nil {
		return err
	}
	if recursive {
		header.Set(clients.RecursiveHeader, "true")
	}
	formGiven := cmd.Flags().Changed("json")
	return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
		for i, path := range paths {
			if paths[i], err = a.climb(ctx, rt, http.MethodGet, path); err != nil {
				return err
			}
		}
		if recursive {
			defer a.watchReads(ctx, rt, paths)()
		}
		rt = withHeader{rt, header}
		if !formGiven {
			rt = outputForm{rt, a}
		}
		return a.getAll(ctx, rt, paths)
	})
}

// watchReads shows on a terminal, unless that is where the resources go, how many of
// those below the paths were read, until the function is called that it returns.
func (a *app) watchReads(ctx context.Context, rt http.RoundTripper, paths []*url.URL) (stop func()) {
	if a.stdout.Terminal || !terminal.Is(a.stderr) {
		return func() {}
	}
	progress := terminal.NewProgress(a.stderr)
	total := 0
	entries, _ := (&selection.Reader{Next: directly(rt)}).Entries(ctx)
	for _, e := range entries {
		if slices.ContainsFunc(paths, func(u *url.URL) bool {
			return ilopath.Within(ilopath.Canonical(e.Path), ilopath.Canonical(u.EscapedPath()))
		}) {
			total++
		}
	}
	read := func(ctx context.Context) int {
		var store cache.Stats
		state, err := clientOf(rt).Cache(ctx)
		if err == nil {
			_ = json.Unmarshal(state.Store, &store) // what it does not tell is not shown
		}
		return int(state.Hits+state.Collapsed) + int(store.Puts)
	}
	before := read(ctx)
	return progress.Watch(ctx, func(ctx context.Context) (int, int) { return read(ctx) - before, total })
}

// getProperties prints properties of the selected resources.
func (a *app) getProperties(cmd *cobra.Command, s *selecting, properties []string, recursive, writable bool) error {
	switch i := slices.IndexFunc(properties, isPath); {
	case i >= 0:
		return &usageError{fmt.Sprintf("%q is a path, and other resources are selected", properties[i]), "give paths, or a selection with properties"}
	case recursive:
		return &usageError{"--recursive is for paths", "ilod get --recursive /redfish/v1/Systems/1/"}
	case writable && len(properties) > 0:
		return &usageError{"--noreadonly is for all properties of a resource", "leave out " + properties[0]}
	}
	return a.withSelected(cmd, s, properties, func(ctx context.Context, found *selection.Selected) error {
		if writable {
			parts, err := found.Writable(ctx)
			if err != nil {
				return err
			}
			return a.printObjects(parts, found.Reader)
		}
		return a.printProperties(ctx, found, properties, false)
	})
}

// getAll prints the resource of each path. It goes on after a failure, unless
// time is over or nobody reads the output.
func (a *app) getAll(ctx context.Context, rt http.RoundTripper, paths []*url.URL) error {
	if len(paths) == 1 {
		body, err := a.getPart(ctx, rt, paths[0])
		if err != nil {
			return err
		}
		if paths[0].Fragment != "" {
			body = append(body, '\n')
		}
		return a.writeBody(body)
	}
	var first error
	between := "[" // before the next element
	progress := new(terminal.Progress)
	if !a.stdout.Terminal { // else the resources show how far it is
		progress = terminal.NewProgress(a.stderr)
	}
	defer progress.End()
	for i, path := range paths {
		progress.Show(i, len(paths))
		body, err := a.getPart(ctx, rt, path)
		if err != nil {
			progress.End()
			if code := a.report(err); first == nil {
				first = reportedError{code}
			}
			if ctx.Err() != nil {
				break
			}
			if !a.json {
				continue
			}
			body = nil
		}
		if a.json {
			body, between = append([]byte(between), jsonElement(body)...), ","
		} else {
			body = append(body, '\n')
		}
		if _, err := a.stdout.Write(body); err != nil {
			return err
		}
	}
	if a.json {
		_, err := io.WriteString(a.stdout, strings.TrimPrefix(between, ",")+"]\n")
		return cmp.Or(err, first)
	}
	return first
}

// getPart reads one resource, or what its fragment points to (RFC 6901): a string
// there without quotes, unless JSON is wanted.
func (a *app) getPart(ctx context.Context, rt http.RoundTripper, path *url.URL) ([]byte, error) {
	body, err := get(ctx, rt, path)
	if err != nil || path.Fragment == "" {
		cached := &selection.Reader{Next: directly(rt, "only-if-cached, max-stale")}
		return body, cached.Near(ctx, path.Path, err)
	}
	part, err := selection.Part(body, path.Fragment)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path.RequestURI(), err)
	}
	var text string
	if !a.json && json.Unmarshal(part, &text) == nil && part[0] == '"' {
		return []byte(text), nil
	}
	return part, nil
}

// get reads one resource whole, so that nothing of a damaged one is printed.
func get(ctx context.Context, rt http.RoundTripper, path *url.URL) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, path.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("OData-Version", "4.0") // an iLO 4 answers in its older form without (agent/ILO.md §5)
	_, body, err := accepted(rt, req)
	return body, err
}

// writeBody prints a body byte for byte. On a terminal, and before the output of other
// commands, it ends the last line. On a terminal it also puts blanks in place of control
// characters, unless the body is JSON.
func (a *app) writeBody(body []byte) error {
	if (a.stdout.Terminal || a.held != nil) && !bytes.HasSuffix(body, []byte("\n")) {
		body = append(body, '\n')
	}
	if a.stdout.Terminal && !json.Valid(body) {
		body = bytes.Map(func(r rune) rune {
			if r < ' ' && r != '\n' && r != '\t' {
				return ' '
			}
			return r
		}, body)
	}
	_, err := a.stdout.Write(body)
	return err
}

// jsonElement makes a body fit for an array: as it is if it is JSON, null if it
// is empty, else a string.
func jsonElement(body []byte) []byte {
	switch {
	case len(body) == 0:
		return []byte("null")
	case json.Valid(body):
		return body
	}
	quoted, err := json.Marshal(string(body))
	if err != nil {
		panic(err) // strings always marshal
	}
	return quoted
}
