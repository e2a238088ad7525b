package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/ilopath"
	"github.com/ilod/ilod/cmd/ilod/terminal"
)

// maxDeleted bounds what one command deletes.
const maxDeleted = 5000

// errNotAll: something that was to be deleted is left.
var errNotAll = errors.New("not all resources were deleted")

func (a *app) deleteCommand() *cobra.Command {
	var recursive, dryRun, yes bool
	cmd := &cobra.Command{
		Use: "delete --recursive PATH", Short: "Delete the members of a collection, or a resource",
		Long: `Delete the members of the collection at PATH, which stays, or the resource at PATH.
If the variable recursive of the client session is on, everything below them goes, too,
the deepest first. Nothing outside PATH is deleted, and links that lead there are not
followed.

Each resource has a line with what became of it. What the iLO does not allow to delete
is left, and does not keep the others from being deleted. In a transaction the deletions
are staged. At a terminal ilod shows the resources and asks.`,
		Example: `  ilod delete --recursive --dry-run /redfish/v1/EventService/Subscriptions/
  ilod delete --recursive --yes /redfish/v1/EventService/Subscriptions/`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 1:
				return &usageError{"delete needs one path", "see 'ilod delete --help'"}
			case !recursive:
				return &usageError{"delete needs --recursive", "to delete one resource alone: ilod rawdelete " + args[0]}
			case !dryRun && !yes && (a.json || !terminal.Is(a.stdin)):
				return &usageError{"nobody can be asked, so delete needs --yes", "look at what would be deleted with --dry-run"}
			}
			u, err := parsePath(args[0])
			if err != nil {
				return err
			}
			if u.RawQuery != "" || u.Fragment != "" {
				return &usageError{"delete takes a path without a query and a fragment", ""}
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				return a.deleteAll(ctx, rt, u, dryRun, yes)
			})
		},
	}
	cmd.Flags().BoolVar(&recursive, "recursive", false, "the members of the collection; it must be given")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be deleted, and delete nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// deletion is a resource to delete, and what became of it.
type deletion struct {
	Path    string `json:"path"`
	Outcome string `json:"outcome"` // "deletable", "deleted", "staged", "gone", "refused", "unknown" or "not-sent"
	Why     string `json:"why,omitempty"`
	err     error
}

// deleteAll deletes what is at the path, or its members.
func (a *app) deleteAll(ctx context.Context, rt http.RoundTripper, u *url.URL, dryRun, yes bool) error {
	if strings.HasPrefix(u.Path, clients.ActivePrefix) {
		var err error
		if u, err = resolve(ctx, rt, http.MethodDelete, u); err != nil {
			return err
		}
	}
	f := &finder{rt: rt, root: ilopath.Canonical(u.EscapedPath()), seen: map[string]bool{}}
	if strings.Count(f.root, "/") < 3 {
		return &usageError{fmt.Sprintf("delete does not take all of %s", u.Path), "name a collection or a resource"}
	}
	s, err := clientOf(rt).Session(ctx, client.Current)
	if err != nil {
		return err
	}
	f.deep = s.Recursive
	all, err := f.find(ctx, u)
	if err != nil {
		return err
	}
	if len(all) > 0 && !dryRun && !yes {
		if err := a.confirm(all); err != nil {
			return err
		}
	}
	for i := range all {
		if d := &all[i]; d.Outcome == "deletable" && !dryRun {
			remove(ctx, rt, d)
		}
		if !a.json {
			if err := a.printDeletion(all[i]); err != nil {
				return err
			}
		}
	}
	if a.json {
		if err := a.writeJSON(append([]deletion{}, all...)); err != nil {
			return err
		}
	}
	return failures(all)
}

// failures is the error for what was not deleted.
func failures(all []deletion) error {
	var first error
	n := 0
	for _, d := range all {
		if d.err != nil {
			first, n = cmp.Or(first, d.err), n+1
		}
	}
	if n == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of %d: %w", errNotAll, n, len(all), first)
}

func (a *app) printDeletion(d deletion) error {
	line := d.Path + "  " + d.Outcome
	if d.Why != "" {
		line += ": " + d.Why
	}
	_, err := fmt.Fprintln(a.stdout, oneLine(line))
	return err
}

// confirm asks at the terminal whether to go on.
func (a *app) confirm(all []deletion) error {
	for _, d := range all {
		fmt.Fprintln(a.stderr, oneLine(d.Path+"  "+strings.TrimSpace(d.Outcome+" "+d.Why)))
	}
	fmt.Fprintf(a.stderr, "Delete these %d resources? Type yes: ", len(all))
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	if strings.TrimSpace(answer) != "yes" {
		return &usageError{"cancelled: nothing was deleted", ""}
	}
	return nil
}

// finder finds what there is to delete.
type finder struct {
	rt   http.RoundTripper
	root string // canonical
	deep bool   // everything below, too
	seen map[string]bool
}

// find lists the members of a collection or else the resource itself, and what is below
// them, the deepest first.
func (f *finder) find(ctx context.Context, u *url.URL) (all []deletion, err error) {
	first, body, err := f.read(ctx, u.EscapedPath())
	if err != nil {
		return nil, err
	}
	f.seen[f.root] = true
	var next []string
	members, more := membersOf(body)
	switch {
	case members == nil:
		all = append(all, first)
		next = f.below(body)
	default:
		next = members
		for more != "" && len(next) <= maxDeleted {
			if ilopath.Canonical(more) != f.root || f.seen[more] {
				return nil, fmt.Errorf("the collection goes on outside itself, at %.200q", more)
			}
			f.seen[more] = true
			if _, body, err = f.read(ctx, more); err != nil {
				return nil, err
			}
			if members, more = membersOf(body); members != nil {
				next = append(next, members...)
			}
		}
	}
	for ; len(next) > 0; next = next[1:] {
		key := ilopath.Canonical(next[0])
		if f.seen[key] {
			continue
		}
		f.seen[key] = true
		if len(all) == maxDeleted {
			return nil, fmt.Errorf("there are over %d resources below the path", maxDeleted)
		}
		if !strings.HasPrefix(key, f.root+"/") || strings.ContainsAny(next[0], "?#") {
			all = append(all, refused(next[0], "it is outside the path", errNotAll))
			continue
		}
		d, body, err := f.read(ctx, next[0])
		if err != nil {
			d = failed(next[0], err)
		}
		all = append(all, d)
		if f.deep {
			next = append(next, f.below(body)...)
		}
	}
	slices.SortStableFunc(all, func(a, b deletion) int {
		depth := func(d deletion) int { return strings.Count(ilopath.Canonical(d.Path), "/") }
		return cmp.Compare(depth(b), depth(a))
	})
	return all, nil
}

// below are the paths below the root that a body leads to, if everything is wanted.
func (f *finder) below(body []byte) (paths []string) {
	if !f.deep {
		return nil
	}
	for link := range values(body, "@odata.id") {
		if strings.HasPrefix(ilopath.Canonical(link), f.root+"/") && !strings.ContainsAny(link, "?#") {
			paths = append(paths, link)
		}
	}
	return paths
}

// read reads a resource, and tells from its Allow whether it can be deleted. Without one
// the iLO says so when it is asked to.
func (f *finder) read(ctx context.Context, path string) (deletion, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ilo"+path, nil)
	if err != nil {
		return deletion{}, nil, err
	}
	req.Header.Set("OData-Version", "4.0")
	req.Header.Set(clients.RecursiveHeader, "false")
	req.Header.Set(clients.ReturnedPathHeader, "full")
	req.Header.Set("Cache-Control", "no-cache") // what is to be deleted is looked at as it is now
	resp, body, err := accepted(f.rt, req)
	if err != nil {
		return deletion{}, nil, err
	}
	allow := resp.Header.Values("Allow")
	for _, method := range strings.FieldsFunc(strings.Join(allow, ","), func(r rune) bool { return r == ',' || r == ' ' }) {
		if method == http.MethodDelete {
			return deletion{Path: path, Outcome: "deletable"}, body, nil
		}
	}
	if len(allow) == 0 {
		return deletion{Path: path, Outcome: "deletable"}, body, nil
	}
	no := &http.Response{StatusCode: http.StatusMethodNotAllowed, Status: "405 Method Not Allowed", Header: http.Header{}, Request: req.Clone(ctx)}
	no.Request.Method = http.MethodDelete
	return refused(path, "the iLO allows only "+strings.Join(allow, ", "), client.NewError(no, nil)), body, nil
}

func refused(path, why string, err error) deletion {
	return deletion{Path: path, Outcome: "refused", Why: why, err: err}
}

// failed is what an error says: a deletion whose answer is lost may have been carried out.
func failed(path string, err error) deletion {
	d := refused(path, err.Error(), err)
	if row, _ := classify(err); row.code == outcomeUnknown {
		d.Outcome = "unknown"
	}
	return d
}

// membersOf are the links of a collection, nil if the body is none, and the path of its
// next page.
func membersOf(body []byte) (paths []string, more string) {
	var doc struct {
		Members []struct {
			ID string `json:"@odata.id"`
		} `json:"Members"`
		More string `json:"Members@odata.nextLink"`
	}
	if !bytes.Contains(body, []byte(`"Members"`)) || json.Unmarshal(body, &doc) != nil || doc.Members == nil {
		return nil, ""
	}
	paths = []string{}
	for _, m := range doc.Members {
		if m.ID != "" {
			paths = append(paths, m.ID)
		}
	}
	return paths, doc.More
}

// remove deletes a resource, or has a transaction keep that for its commit.
func remove(ctx context.Context, rt http.RoundTripper, d *deletion) {
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, "http://ilo"+d.Path, nil)
	if err != nil {
		*d = failed(d.Path, err)
		return
	}
	if err := context.Cause(ctx); err != nil { // while others were deleted
		d.Outcome, d.Why, d.err = "not-sent", err.Error(), err
		return
	}
	req.Header.Set("OData-Version", "4.0")
	resp, body, err := exchange(rt, req)
	switch {
	case err != nil:
		*d = failed(d.Path, err)
	case resp.StatusCode == http.StatusNotFound: // with what was above it
		d.Outcome = "gone"
	case !isSuccess(resp):
		*d = failed(d.Path, client.NewError(resp, body))
	default:
		d.Outcome = "deleted"
		if receipt, staged := client.ReceiptOf(resp, body); staged {
			d.Outcome, d.Why = "staged", fmt.Sprintf("write %d", receipt.Staged)
		}
	}
}
