package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

// Errors of the commands that work on a selection.
var (
	errNothingSelected = errors.New("no type is selected")
	errSeveral         = errors.New("several resources match where one is needed")
)

// aliases are ilorest's names for flags.
func aliases(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	switch name {
	case "selector":
		name = "select"
	case "refresh":
		name = "fresh"
	case "cache-dir":
		name = "state-dir"
	}
	return pflag.NormalizedName(name)
}

// selecting are the flags that say which resources a command is about, and how
// old what is known of them may be.
type selecting struct {
	text    string
	filters []string
	reading
}

func (s *selecting) flags(flags *pflag.FlagSet) {
	flags.Bool("logout", false, "has no effect, since no session is left, and is there for scripts")
	_ = flags.MarkHidden("logout") // it exists
	flags.StringVar(&s.text, "select", "", "resources of `TYPE`, such as ComputerSystem., or a path, instead of the selected ones (also --selector)")
	s.narrowing(flags)
}

func (s *selecting) narrowing(flags *pflag.FlagSet) {
	flags.StringArrayVar(&s.filters, "filter", nil, "only resources with `PROPERTY=VALUE`, or that begin so with VALUE*; may be repeated")
	s.reading.flags(flags)
}

// selected are resources, and how to read more of them.
type selected struct {
	selection.Selector
	found   []*selection.Resource
	checker *schema.Checker
	cached  *selection.Reader
	current *selection.Reader // asks the iLO
}

// directly reads resources as they are, whatever the variables of the client session.
func directly(rt http.RoundTripper, cacheControl ...string) withHeader {
	header := http.Header{clients.RecursiveHeader: {"false"}, clients.ReturnedPathHeader: {"full"}}
	if len(cacheControl) > 0 {
		header["Cache-Control"] = cacheControl
	}
	return withHeader{rt, header}
}

// currently reads what the iLO has now.
func currently(rt http.RoundTripper) *selection.Reader {
	return &selection.Reader{Next: directly(rt, "no-cache")}
}

// cached reads what the cache has, however old.
func cached(rt http.RoundTripper) *selection.Reader {
	return &selection.Reader{Next: directly(rt, "only-if-cached, max-stale")}
}

// reader reads what is as old as it may be.
func (s *selecting) reader(rt http.RoundTripper) (*selection.Reader, error) {
	header, err := s.header()
	return &selection.Reader{Next: directly(rt, header["Cache-Control"]...)}, err
}

// check finds mistakes in the flags.
func (s *selecting) check() error {
	if _, err := s.header(); err != nil {
		return err
	}
	selector := selection.Selector{}
	for _, f := range s.filters {
		if err := selector.Filter(f); err != nil {
			return err
		}
	}
	if s.text == "" || isRelative(s.text) {
		return nil
	}
	_, err := selection.Parse(s.text)
	return err
}

// withSelected runs f with the resources that are selected by flags, else in the
// client session.
func (a *app) withSelected(cmd *cobra.Command, s *selecting, f func(context.Context, http.RoundTripper, *selected) error) error {
	if err := s.check(); err != nil {
		return err
	}
	return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
		if !cmd.Flags().Changed("json") {
			rt = outputForm{rt, a}
		}
		found, err := s.find(ctx, a, rt)
		if err != nil {
			return err
		}
		if err := f(ctx, rt, found); err != nil {
			return err
		}
		return partly(found.cached)
	})
}

// find reads the resources that are selected by flags, else in the client session.
func (s *selecting) find(ctx context.Context, a *app, rt http.RoundTripper) (*selected, error) {
	reader, err := s.reader(rt)
	if err != nil {
		return nil, err
	}
	text := s.text
	if text == "" {
		if text, err = a.selection(ctx, rt); err != nil {
			return nil, err
		}
	}
	if isRelative(text) {
		if text, err = a.absolute(ctx, rt, text); err != nil {
			return nil, err
		}
	}
	selector, err := selection.Parse(text)
	if err != nil {
		return nil, err
	}
	for _, f := range s.filters {
		if err := selector.Filter(f); err != nil {
			return nil, err
		}
	}
	progress := newProgress(a.stderr)
	defer progress.end()
	reader.Progress = progress.show
	found, err := reader.Find(ctx, selector)
	return &selected{selector, found, schema.NewChecker(directly(rt)), reader, currently(rt)}, err
}

// below are property paths as the resources have them.
func (s *selected) below(paths []string) []string {
	if s.Pointer == "" {
		return paths
	}
	if len(paths) == 0 {
		return []string{s.Pointer}
	}
	paths = slices.Clone(paths)
	for i, path := range paths {
		paths[i] = s.Pointer + "/" + path
	}
	return paths
}

// clientSession is that of the command.
func (a *app) clientSession(ctx context.Context, rt http.RoundTripper) (s clients.Session, err error) {
	body, err := a.ask(ctx, rt, http.MethodGet, sessionPath(nil))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("the client session: %w", err)
	}
	return s, nil
}

// selection is what the client session has selected.
func (a *app) selection(ctx context.Context, rt http.RoundTripper) (string, error) {
	s, err := a.clientSession(ctx, rt)
	if err == nil && s.Selection == "" {
		err = errNothingSelected
	}
	return s.Selection, err
}

// remember keeps a selection in the client session.
func (a *app) remember(ctx context.Context, rt http.RoundTripper, s *selected) error {
	_, _, err := a.tell(ctx, rt, http.MethodPatch, sessionPath(nil), map[string]string{"Selection": s.String()})
	return err
}

// absolute resolves a path that begins at the active path; what stands behind "#"
// or "?" stays.
func (a *app) absolute(ctx context.Context, rt http.RoundTripper, text string) (string, error) {
	end := strings.IndexAny(text+"#", "#?")
	u, err := parsePath(text[:end])
	if err != nil {
		return "", err
	}
	s, err := a.clientSession(ctx, rt)
	if err != nil {
		return "", err
	}
	if u, err = clients.Resolve(s.ActivePath, http.MethodGet, u); err != nil {
		return "", &usageError{err.Error(), "see 'ilod session show'"}
	}
	return u.EscapedPath() + text[end:], nil
}

func (a *app) selectCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use:   "select [TYPE]",
		Short: "Select resources by type for the commands that follow",
		Long: `Select resources for get, list, set, info and save, until another type is
selected or the client session ends. TYPE is the beginning of a type's name: that of
all types that begin so, or with a dot at its end of that type alone; if none begins
so, of those that have it anywhere in their names. It can be a path as well, and have
a JSON pointer to a part behind "#". Without TYPE say what is selected.`,
		Example: "  ilod select ComputerSystem.\n  ilod select Drive. --filter MediaType=SSD\n  ilod select /redfish/v1/Systems/1/",
		Args:    atMostOne("a type or a path", "see 'ilod types'"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s.text = strings.Join(args, "")
			if err := s.check(); err != nil {
				return err
			}
			err := a.withAgent(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				found, err := s.find(ctx, a, rt)
				if err != nil {
					return err
				}
				if len(args) > 0 {
					if err := a.remember(ctx, rt, found); err != nil {
						return err
					}
				}
				if err := a.printSelection(found); err != nil {
					return err
				}
				return partly(found.cached)
			})
			if errors.Is(err, errNoAgent) {
				return fmt.Errorf("%w, and without one nothing is remembered: give --select to each command", err)
			}
			return err
		},
	}
	s.narrowing(cmd.Flags())
	return cmd
}

func (a *app) printSelection(s *selected) error {
	var types []string
	entries := make([]selection.Entry, len(s.found))
	for i, x := range s.found {
		entries[i] = selection.Entry{Path: x.Path, Type: x.Type}
		types = append(types, strings.TrimPrefix(oneLine(x.Type), "#"))
	}
	if a.json {
		_, err := a.stdout.Write([]byte(selection.JSON(struct {
			Selection string
			Resources []selection.Entry
		}{s.String(), entries}, "")))
		return err
	}
	slices.Sort(types)
	_, err := fmt.Fprintf(a.stderr, "Selected option: %s (%d)\n", strings.Join(slices.Compact(types), ", "), len(types))
	return err
}

// atMostOne wants one argument or none.
func atMostOne(what, hint string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 || len(args) == 1 && args[0] == "" {
			return &usageError{cmd.Name() + " takes one argument: " + what, hint}
		}
		return nil
	}
}

func (a *app) typesCommand() *cobra.Command {
	var full bool
	cmd := a.readerCommand("types", "Print the types that can be selected", func(ctx context.Context, reader *selection.Reader) error {
		entries, err := reader.Entries(ctx)
		if err != nil {
			return err
		}
		types := make([]string, len(entries))
		for i, e := range entries {
			if types[i] = e.Type; !full {
				types[i] = selection.Name(e.Type)
			}
		}
		slices.Sort(types)
		return a.printList(slices.Compact(types))
	})
	cmd.Flags().BoolVar(&full, "fulltypes", false, "with what tells the version")
	return cmd
}

// printList prints one text to a line, or an array of them.
func (a *app) printList(list []string) error {
	if a.json {
		return json.NewEncoder(a.stdout).Encode(list)
	}
	for _, item := range list {
		if _, err := fmt.Fprintln(a.stdout, oneLine(item)); err != nil {
			return err
		}
	}
	return nil
}
