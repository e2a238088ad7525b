package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/freshness"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/cache"
	"github.com/ilod/ilod/platform"
)

func (a *app) completionCommand() *cobra.Command {
	scripts := map[string]func(*cobra.Command) error{
		"bash":       func(root *cobra.Command) error { return root.GenBashCompletionV2(a.stdout, true) },
		"zsh":        func(root *cobra.Command) error { return root.GenZshCompletion(a.stdout) },
		"fish":       func(root *cobra.Command) error { return root.GenFishCompletion(a.stdout, true) },
		"powershell": func(root *cobra.Command) error { return root.GenPowerShellCompletionWithDesc(a.stdout) },
	}
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that lets a shell complete commands, paths and types",
		Long: `Print a script with which a shell completes commands, flags, paths and types of
resources. Paths and types come from the agent's cache. Without an agent they come
from the cache on disk, unless another command is using it. Completion never asks
the iLO.`,
		Example: `  source <(ilod completion bash)
  ilod completion bash >/etc/bash_completion.d/ilod
  ilod completion zsh >"${fpath[1]}/_ilod"
  ilod completion fish >~/.config/fish/completions/ilod.fish
  ilod completion powershell | Out-String | Invoke-Expression`,
		Annotations: map[string]string{unconfigured: "yes"},
		ValidArgs:   shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 || scripts[args[0]] == nil {
				return &usageError{"completion needs the name of a shell", "one of " + strings.Join(shells, ", ")}
			}
			return scripts[args[0]](cmd.Root())
		},
	}
}

// completes has arguments and values of flags completed as their names in the
// help say: paths of resources, files, directories, or nothing.
func (a *app) completes(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		a.completes(sub)
	}
	if a.held == nil { // cobra keeps the functions of flags, and with them the whole tree
		for _, flags := range []*pflag.FlagSet{cmd.LocalNonPersistentFlags(), cmd.PersistentFlags()} {
			flags.VisitAll(func(f *pflag.Flag) {
				complete := cobra.NoFileCompletions
				name, usage := pflag.UnquoteUsage(f)
				f.Usage = usage
				switch name {
				case "FILE":
					return
				case "DIR":
					complete = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
				case "TYPE":
					complete = a.completeType
					if f.Name == "reboot" {
						complete = completeReset
					}
				}
				_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // fails if there is one
			})
		}
	}
	switch {
	case cmd.HasSubCommands() || cmd.ValidArgs != nil || cmd.ValidArgsFunction != nil || strings.Contains(cmd.Use, "FILE"):
	case cmd.Name() == "help":
		cmd.ValidArgsFunction = completeTopic
	case strings.Contains(cmd.Use, "VARIABLE"):
		var names []cobra.Completion
		for _, v := range variables {
			names = append(names, v.name)
		}
		cmd.ValidArgsFunction = a.completeWordAndPath(names)
	case strings.Contains(cmd.Use, "METHOD PATH"):
		cmd.ValidArgsFunction = a.completeWordAndPath(slices.Sorted(maps.Keys(methods)))
	case cmd.Name() == "reboot":
		cmd.ValidArgsFunction = completeReset
	case strings.Contains(cmd.Use, "TYPE"):
		cmd.ValidArgsFunction = a.completeType
	case strings.Contains(cmd.Use, "PATH"):
		cmd.ValidArgsFunction = a.completePath
	default:
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
}

// completeWordAndPath completes one of some words, and behind it a path.
func (a *app) completeWordAndPath(words []cobra.Completion) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return words, cobra.ShellCompDirectiveNoFileComp
		}
		return a.completePath(cmd, args, word)
	}
}

// completeTopic completes the name of a command below those that are there.
func completeTopic(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	if topic, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
		for _, sub := range topic.Commands() {
			if !sub.Hidden {
				names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
			}
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeReset completes the name of a way to reset the server.
func completeReset(*cobra.Command, []string, string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, t := range resetTypes {
		names = append(names, cobra.CompletionWithDesc(t.name, t.effect))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completionLimit is how long somebody who has pressed TAB is kept waiting.
const completionLimit = 300 * time.Millisecond

// completePath completes the path of a resource by one segment.
func (a *app) completePath(_ *cobra.Command, _ []string, word string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if !beginsPath(word) || strings.ContainsAny(word, "?#") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if len(word) < len(clients.Root) && strings.HasPrefix(clients.Root, word) {
		return []cobra.Completion{clients.Root}, directive
	}
	return a.fromCache(func(ctx context.Context, rt http.RoundTripper) ([]string, error) { return a.segments(ctx, rt, word) }), directive
}

// completeType completes a type of resources, or a path.
func (a *app) completeType(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if beginsPath(word) {
		return a.completePath(cmd, args, word)
	}
	return a.fromCache(func(ctx context.Context, rt http.RoundTripper) (found []string, err error) {
		body, err := get(ctx, rt, &url.URL{Scheme: "http", Host: "ilo", Path: selection.Directory})
		for odataType := range values(body, "@odata.type") {
			if name := selection.Name(odataType) + "."; len(name) >= len(word) && strings.EqualFold(name[:len(word)], word) && plainPath.MatchString(name) {
				found = append(found, name)
			}
		}
		return found, err
	}), cobra.ShellCompDirectiveNoFileComp
}

// beginsPath tells the beginning of a path from that of anything else.
func beginsPath(word string) bool { return strings.HasPrefix(word, "/") || isRelative(word) }

// fromCache is what f finds in the cache, sorted and each once, while somebody waits
// who cannot be told what goes wrong.
func (a *app) fromCache(f func(context.Context, http.RoundTripper) ([]string, error)) (found []string) {
	ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
	defer cancel()
	_ = a.withCached(ctx, func(ctx context.Context, rt http.RoundTripper) (err error) {
		found, err = f(ctx, rt)
		return err
	})
	slices.Sort(found)
	return slices.Compact(found)
}

// segments are the ways to go on with a path for one segment.
func (a *app) segments(ctx context.Context, rt http.RoundTripper, word string) (found []string, err error) {
	end := strings.LastIndexByte(word, '/') + 1
	parent := word[:end]
	if isRelative(word) {
		if parent, err = a.absolute(ctx, rt, "./"+parent); err != nil {
			return nil, err
		}
		parent = strings.TrimSuffix(parent, "/") + "/"
	}
	prefix := parent + word[end:]
	// What links to it is most often its parent; an iLO 5 or later knows all.
	sources := []string{parent}
	for p := parent; len(p) > len(clients.Root); {
		p = p[:strings.LastIndexByte(strings.TrimSuffix(p, "/"), '/')+1]
		sources = append(sources, p)
	}
	for _, source := range append(sources, selection.Directory) {
		u, err := parsePath(source)
		if err != nil {
			return nil, err
		}
		body, err := get(ctx, rt, u)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		for link := range values(body, "@odata.id") {
			if len(link) > len(prefix) && strings.EqualFold(link[:len(prefix)], prefix) {
				segment, _, _ := strings.Cut(link[len(prefix):], "/")
				if rest := segment + "/"; plainPath.MatchString(rest) {
					found = append(found, word+rest)
				}
			}
		}
		if found != nil {
			break
		}
	}
	return found, nil
}

// plainPath matches what means nothing to any shell.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9._~%:@/-]+$`)

// values are those of a property that are texts, wherever it is in a JSON document.
// It does not decode the document, which would take too long for the largest.
func values(body []byte, property string) func(yield func(string) bool) {
	name := []byte(`"` + property + `"`)
	return func(yield func(string) bool) {
		for {
			i := bytes.Index(body, name)
			if i < 0 {
				return
			}
			body = bytes.TrimLeft(body[i+len(name):], " \t\r\n:")
			value, quoted := bytes.CutPrefix(body, []byte(`"`))
			if n := bytes.IndexByte(value, '"'); quoted && n >= 0 && !yield(string(value[:n])) {
				return
			}
		}
	}
}

// withCached runs f with answers of the cache alone: what is held, the agent's, or
// that on disk.
func (a *app) withCached(ctx context.Context, f func(context.Context, http.RoundTripper) error) error {
	header := http.Header{
		"Cache-Control": {"only-if-cached, max-stale"}, clients.RecursiveHeader: {"false"}, clients.ReturnedPathHeader: {"full"},
	}
	if a.held != nil {
		return f(ctx, withHeader{a.held, header})
	}
	client, err := a.dialAgent(ctx)
	if err != nil {
		return err
	}
	if client != nil {
		defer client.Close()
		return f(ctx, withHeader{a.inSession(client), header})
	}
	return a.withDiskCache(ctx, f)
}

// withDiskCache runs f with what is in the cache on disk, if nobody else uses it.
func (a *app) withDiskCache(ctx context.Context, f func(context.Context, http.RoundTripper) error) (err error) {
	if a.config.Cache.Disabled {
		return errNotCached
	}
	dir := a.config.CacheDir()
	if _, err := os.Stat(dir); err != nil {
		return err
	}
	now, cancel := context.WithCancel(ctx)
	cancel()
	lock, err := platform.AcquireLock(now, a.config.RuntimeDir, a.config.StateDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	return cache.Peek(dir, func(get func(string) ([]byte, error)) error {
		return f(context.WithoutCancel(ctx), stored(get)) // what takes long on a busy disk is over
	})
}

// stored answers with what a store has.
type stored func(key string) ([]byte, error)

func (s stored) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := freshness.Stored(s, req.URL)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: req}, nil
}
