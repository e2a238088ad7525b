package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

// isPath tells a path from a property.
func isPath(arg string) bool {
	return arg == "" || strings.HasPrefix(arg, "/") || isRelative(arg) || strings.Contains(arg, "://") || strings.HasPrefix(arg, "redfish/")
}

func (a *app) listCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use: "list [PROPERTY...]", Short: "Print properties of the selected resources, those about the resource included",
		Long: `Print properties of the selected resources as get does, and without PROPERTY all of
them: the reserved ones, too, such as @odata.type, Id and Links.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkProperties(args); err != nil {
				return err
			}
			return a.withSelected(cmd, &s, func(ctx context.Context, _ http.RoundTripper, found *selected) error {
				return a.printProperties(ctx, found, args, true)
			})
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

// checkProperties finds types among properties.
func checkProperties(args []string) error {
	for _, arg := range args {
		if arg != "." && strings.HasSuffix(arg, ".") {
			return &usageError{fmt.Sprintf("%q is a type, where a property is wanted", arg), "--select " + arg}
		}
	}
	return nil
}

// printProperties prints some properties of the resources, or all of them.
func (a *app) printProperties(ctx context.Context, s *selected, paths []string, reserved bool) error {
	paths = s.below(paths)
	a.noteWaiting(ctx, s, paths)
	if len(paths) > 0 {
		parts, missing := selection.Project(s.found, paths)
		if len(parts) == 0 && len(missing) == 1 {
			return missing[0]
		}
		for _, err := range missing {
			fmt.Fprintf(a.stderr, "left out: %s\n", oneLine(err.Error()))
		}
		if len(parts) == 0 {
			return fmt.Errorf("%w as any of these", selection.ErrNoProperty)
		}
		return a.printObjects(parts, s.unread())
	}
	parts := make([]map[string]any, len(s.found))
	for i, x := range s.found {
		if parts[i] = x.Shown(); !reserved {
			parts[i] = selection.WithoutReserved(parts[i])
		}
	}
	return a.printObjects(parts, s.unread())
}

// noteWaiting says which of the properties wait for a reset of the server, and so
// are not what was last set.
func (a *app) noteWaiting(ctx context.Context, s *selected, paths []string) {
	for _, x := range s.found {
		if x.Settings() == "" {
			continue
		}
		waiting, err := s.cached.Waiting(ctx, x, x.Settings())
		if err != nil { // it is a note, and no more
			a.log.WithError(err).Info("what waits for a reset is not known")
		}
		for _, d := range waiting {
			wanted := func(path string) bool {
				pointer, _ := x.Pointer(path)
				at, _ := x.Pointer(d.Property)
				return strings.HasPrefix(at+"/", pointer+"/")
			}
			if len(paths) == 0 || slices.ContainsFunc(paths, wanted) {
				fmt.Fprintf(a.stderr, "waits for a reset of the server: %s=%s\n", oneLine(d.Property), selection.Scalar(d.Pending))
			}
		}
	}
}

// printWritable prints those of the properties that can be written.
func (a *app) printWritable(ctx context.Context, s *selected) error {
	var parts []map[string]any
	var failed error
	for _, x := range s.found {
		writable, err := x.Writable(ctx, s.checker)
		if err != nil {
			failed = err
			if err := s.cached.Miss(ctx, x.Path, err); err != nil {
				return err
			}
			continue
		}
		parts = append(parts, x.Show(writable))
	}
	if len(parts) == 0 {
		return failed
	}
	return a.printObjects(parts, s.unread())
}

// unread is how many of the selected resources could not be read.
func (s *selected) unread() int { return len(s.cached.Unread()) }

// printObjects prints one object, or several apart from each other; as JSON, with a
// null for each that could not be read.
func (a *app) printObjects(objects []map[string]any, unread int) error {
	text := ""
	if a.json {
		objects = append(objects, make([]map[string]any, unread)...)
	}
	switch {
	case a.json && len(objects) == 1:
		text = selection.JSON(objects[0], "  ")
	case a.json:
		text = selection.JSON(objects, "  ")
	default:
		for i, o := range objects {
			if i > 0 {
				text += "\n"
			}
			text += selection.Text(o)
		}
	}
	_, err := io.WriteString(a.stdout, text)
	return err
}

func (a *app) infoCommand() *cobra.Command {
	var s selecting
	cmd := &cobra.Command{
		Use: "info [PROPERTY...]", Short: "Print what is known of properties: type, allowed values, help",
		Long: `Print what the iLO's schemas and registries say about properties of the selected
resources: the type, whether it is read-only, the values allowed, and a help text.
Without PROPERTY print their names.`,
		Example: "  ilod info BootMode --select Bios.\n  ilod info --select Bios.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkProperties(args); err != nil {
				return err
			}
			return a.withSelected(cmd, &s, func(ctx context.Context, _ http.RoundTripper, found *selected) error {
				paths := found.below(args)
				if len(paths) == 0 {
					return a.printNames(found)
				}
				return a.printInfo(ctx, found, paths)
			})
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

// printNames prints which properties the resources have.
func (a *app) printNames(s *selected) error {
	var names []string
	for _, x := range s.found {
		names = slices.AppendSeq(names, maps.Keys(selection.WithoutReserved(x.Shown())))
	}
	slices.Sort(names)
	return a.printList(slices.Compact(names))
}

// printInfo describes each property, of the first resource that has it.
func (a *app) printInfo(ctx context.Context, s *selected, paths []string) error {
	var all []schema.Info
	for _, path := range paths {
		var first error
		known := false
		for _, x := range s.found {
			pointer, _ := x.Pointer(path)
			info, err := s.checker.Property(ctx, x.Path, pointer)
			if err == nil {
				all, known = append(all, info), true
				break
			}
			if first == nil {
				first = err
			}
		}
		if !known {
			return first
		}
	}
	if a.json {
		var v any = all
		if len(all) == 1 {
			v = all[0]
		}
		_, err := io.WriteString(a.stdout, selection.JSON(v, "  "))
		return err
	}
	for i, info := range all {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if err := a.printDescription(info); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) printDescription(info schema.Info) error {
	access := "writable"
	if info.ReadOnly {
		access = "read-only"
	}
	_, err := fmt.Fprintf(a.stdout, "%s\n", oneLine(strings.TrimPrefix(info.Pointer, "/")))
	for _, line := range [][2]string{
		{"Type", info.Type}, {"Access", access}, {"Possible values", strings.Join(info.Allowed, ", ")}, {"Default", info.Default},
		{"Least", info.Min}, {"Most", info.Max}, {"Help", info.Help},
	} {
		if line[1] != "" && err == nil {
			_, err = fmt.Fprintf(a.stdout, "  %s: %s\n", line[0], oneLine(line[1]))
		}
	}
	return err
}
