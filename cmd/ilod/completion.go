package main

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/clients"
	"github.com/ilod/ilod/agent/freshness"
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
		Short: "Print a script that has a shell complete commands and paths",
		Long: `Print a script that has a shell complete commands, flags and paths of resources.
Paths are those of the agent's cache, or without agent of the one on disk unless
another command is at work with it. The iLO is never asked.`,
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
					complete = a.completePath
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
	case strings.Contains(cmd.Use, "PATH"), strings.Contains(cmd.Use, "TYPE"):
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

// completionLimit is how long somebody who has pressed TAB is kept waiting.
const completionLimit = 300 * time.Millisecond

// completePath completes the path of a resource by one segment.
func (a *app) completePath(_ *cobra.Command, _ []string, word string) (found []cobra.Completion, _ cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	if !strings.HasPrefix(word, "/") && !isRelative(word) || strings.ContainsAny(word, "?#") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if len(word) < len(clients.Root) && strings.HasPrefix(clients.Root, word) {
		return []cobra.Completion{clients.Root}, directive
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
	defer cancel()
	// There is nobody to tell what goes wrong.
	_ = a.withCached(ctx, func(ctx context.Context, rt http.RoundTripper) (err error) {
		found, err = a.segments(ctx, rt, word)
		return err
	})
	return found, directive
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
	for _, source := range append(sources, "/redfish/v1/ResourceDirectory/") {
		u, err := parsePath(source)
		if err != nil {
			return nil, err
		}
		body, err := get(ctx, rt, u)
		if ctx.Err() != nil {
			return nil, err
		}
		for link := range links(body) {
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
	slices.Sort(found)
	return slices.Compact(found), nil
}

// plainPath matches what means nothing to any shell.
var plainPath = regexp.MustCompile(`^[A-Za-z0-9._~%:@/-]+$`)

// links are the values of "@odata.id" in a JSON document. It does not decode the
// document, which would take too long for the largest.
func links(body []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		const name = `"@odata.id"`
		for {
			i := bytes.Index(body, []byte(name))
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
		defer client.close()
		return f(ctx, withHeader{a.inSession(client), header})
	}
	return a.withDiskCache(ctx, func(ctx context.Context, rt http.RoundTripper) error { return f(ctx, withHeader{rt, header}) })
}

// withDiskCache runs f with the cache on disk, if nobody else uses it.
func (a *app) withDiskCache(ctx context.Context, f func(context.Context, http.RoundTripper) error) (err error) {
	dir := a.config.DiskDir()
	if dir == "" {
		return errNotCached
	}
	if _, err := os.Stat(filepath.Join(dir, "cache")); err != nil {
		return err
	}
	o, err := a.engineOptions(a.log, logrus.DebugLevel)
	if err != nil {
		return err
	}
	now, cancel := context.WithCancel(ctx)
	cancel()
	lock, err := platform.AcquireLock(now, a.config.RuntimeDir, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	store, err := a.openStore(ctx, a.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	cache := freshness.New(freshness.Options{Next: nowhere{}, Store: store})
	defer func() { err = errors.Join(err, cache.Close()) }()
	cache.SetIdentity(o.Identity)
	return f(ctx, cache)
}

// nowhere carries no request.
type nowhere struct{}

func (nowhere) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNotCached }
