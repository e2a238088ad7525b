package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

// Errors of the commands that work on a selection.
var (
	errNothingSelected = errors.New("no type is selected")
	errSeveral         = errors.New("several resources match where one is needed")
)

// selecting are the flags that say which resources a command is about, and how
// old what is known of them may be.
type selecting struct {
	text    string
	filters []string
	reading
}

func (s *selecting) flags(flags *pflag.FlagSet) {
	flags.Bool("logout", false, "has no effect: no session is ever left; it is accepted so that ilorest scripts run")
	_ = flags.MarkHidden("logout") // it exists
	flags.StringVar(&s.text, "select", "", "resources of `TYPE`, such as ComputerSystem., or a path, instead of the selected ones (also --selector)")
	s.narrowing(flags)
}

func (s *selecting) narrowing(flags *pflag.FlagSet) {
	flags.StringArrayVar(&s.filters, "filter", nil, "only resources with `PROPERTY=VALUE`, or that begin so with VALUE*; may be repeated")
	s.reading.flags(flags)
}

// check finds mistakes in the flags.
func (s *selecting) check() error {
	if _, err := s.header(); err != nil {
		return err
	}
	text := s.text
	if text == "" || isRelative(text) { // what it means is not known yet
		text = "/"
	}
	_, err := s.selector(text)
	return err
}

// selector is what a text and the filters select.
func (s *selecting) selector(text string) (selector selection.Selector, err error) {
	selector, err = selection.Parse(text)
	for _, f := range s.filters {
		if err == nil {
			err = selector.Filter(f)
		}
	}
	return selector, err
}

// withSelected runs f with the resources that are selected by flags, else in the
// client session. properties are what the user named; a type among them is an error.
func (a *app) withSelected(cmd *cobra.Command, s *selecting, properties []string, f func(context.Context, *selection.Selected) error) error {
	for _, p := range properties {
		if p != "." && strings.HasSuffix(p, ".") {
			return &usageError{fmt.Sprintf("%q is a type, but a property is expected", p), "--select " + p}
		}
	}
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
		if err := f(ctx, found); err != nil {
			return err
		}
		return partly(found.Reader)
	})
}

// find reads the resources that are selected by flags, else in the client session.
func (s *selecting) find(ctx context.Context, a *app, rt http.RoundTripper) (*selection.Selected, error) {
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
	selector, err := s.selector(text)
	if err != nil {
		return nil, err
	}
	defer a.showProgress(reader)()
	found, err := reader.Find(ctx, selector)
	return &selection.Selected{Selector: selector, Found: found, Checker: schema.NewChecker(directly(rt)), Reader: reader, Current: currently(rt)}, err
}

// selection is what the client session has selected.
func (a *app) selection(ctx context.Context, rt http.RoundTripper) (string, error) {
	s, err := clientOf(rt).Session(ctx, client.Current)
	if err == nil && s.Selection == "" {
		err = errNothingSelected
	}
	return s.Selection, err
}

// absolute resolves a path that begins at the active path; what stands behind "#"
// or "?" stays.
func (a *app) absolute(ctx context.Context, rt http.RoundTripper, text string) (string, error) {
	end := strings.IndexAny(text+"#", "#?")
	u, err := parsePath(text[:end])
	if err == nil {
		u, err = resolve(ctx, rt, http.MethodGet, u)
	}
	if err != nil {
		return "", err
	}
	return u.EscapedPath() + text[end:], nil
}
