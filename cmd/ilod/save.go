package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/server/selection"
)

// savedFile is where save and load have settings, as ilorest.
const savedFile = "ilorest.json"

func (a *app) saveCommand() *cobra.Command {
	var s selecting
	var file, several string
	cmd := &cobra.Command{
		Use: "save", Short: "Write the settings of the selected resources to a file", Args: noArguments,
		Long: `Write to a file what of the selected resources can be written, for load. Of settings
that wait for a reset of the server it has these. The file has ilorest's form. What
cannot be read is left out, and named here and in the comments of the file; the exit
code is 104 then.`,
		Example: "  ilod save --select Bios. -f bios.json\n  ilod save --multisave Bios.,ComputerSystem.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			selectors := []string{s.text}
			if several != "" {
				selectors = strings.Split(strings.ReplaceAll(several, " ", ""), ",")
			}
			for _, s.text = range selectors {
				if err := s.check(); err != nil {
					return err
				}
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				var all []selection.Saved
				var unread []selection.Unread
				for _, s.text = range selectors {
					settings, left, err := a.settings(ctx, rt, &s)
					if err != nil {
						return err
					}
					all, unread = append(all, settings...), append(unread, left...)
				}
				switch {
				case len(all) == 0 && len(unread) > 0:
					return unread[0].Err
				case len(all) == 0:
					return fmt.Errorf("%w can be saved: nothing of these resources can be written", errNoChanges)
				}
				if err := a.save(ctx, rt, file, all, unread); err != nil || len(unread) == 0 {
					return err
				}
				return &partlyError{unread}
			})
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().StringVarP(&file, "filename", "f", savedFile, "write to `FILE`, - for standard output")
	cmd.Flags().StringVar(&several, "multisave", "", "resources of several types: `TYPE,TYPE`")
	return cmd
}

// settings are those of the selected resources, as they will be. What cannot be
// read is left out.
func (a *app) settings(ctx context.Context, rt http.RoundTripper, selecting *selecting) (all []selection.Saved, unread []selection.Unread, err error) {
	s, err := selecting.find(ctx, a, rt)
	if s != nil && ctx.Err() == nil && len(s.cached.Unread()) > 0 {
		err = nil // it is about these
	}
	if err != nil {
		return nil, nil, err
	}
	progress := newProgress(a.stderr)
	defer progress.end()
	for i, x := range s.found {
		progress.show(i, len(s.found))
		settings, err := x.Writable(ctx, s.checker)
		if err == nil && x.Settings() != "" {
			var will *selection.Resource
			if will, err = s.cached.Read(ctx, x.Settings()); err == nil {
				settings = selection.Future(settings, will.Body)
			}
		}
		if err != nil {
			if err := s.cached.Miss(ctx, x.Path, err); err != nil {
				return nil, nil, err
			}
			continue
		}
		if len(settings) > 0 {
			all = append(all, selection.Saved{Type: x.Type, Path: x.Path, Settings: settings})
		}
	}
	return all, s.cached.Unread(), nil
}

// save writes the file, with what it is from.
func (a *app) save(ctx context.Context, rt http.RoundTripper, file string, all []selection.Saved, unread []selection.Unread) error {
	reader := &selection.Reader{Next: directly(rt)}
	note := map[string]any{}
	systems, err := reader.Find(ctx, selection.Selector{Type: "ComputerSystem."})
	if ctx.Err() != nil {
		return err
	}
	for _, x := range systems { // without one the file says less about where it is from
		for _, name := range []string{"Manufacturer", "Model", "SerialNumber", "BiosVersion"} {
			if v, ok := x.Body[name].(string); ok && note[name] == nil {
				note[name] = v
			}
		}
	}
	var missing []string
	for _, u := range unread {
		missing = append(missing, u.Path)
	}
	if missing != nil {
		note["NotRead"] = missing
	}
	if file == "-" {
		_, err := a.stdout.Write(selection.Save(note, all))
		return err
	}
	if err := writeFile(file, selection.Save(note, all)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stderr, "Configuration saved to: %s\n", oneLine(file))
	return err
}

func (a *app) loadCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "load", Short: "Give resources the settings that save has written", Args: noArguments,
		Long: `Give resources the settings in a file of save, or of ilorest, as one transaction in a
client session of its own. What is so already, or will be with the next reset of the
server, is not sent, and what cannot be written is left out and named. So are
resources that cannot be read; the exit code is 104 then, if all else is done.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := a.readDocument(file)
			if err != nil {
				return err
			}
			all, err := selection.Load(data)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", errFileForm, file, err)
			}
			a.session = "" // it has one of its own
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				reader := currently(rt)
				operations, err := a.restore(ctx, rt, reader, all)
				switch {
				case err != nil:
					return err
				case len(operations) == 0: // which is what was wanted
					_, err = fmt.Fprintln(a.stderr, "No differences found from current configuration.")
				default:
					err = a.runTransaction(ctx, rt, operations, false, false)
				}
				if isMessage("TransactionRolledBack")(err) {
					err = &commitError{err}
				}
				return cmp.Or(err, partly(reader))
			})
		},
	}
	cmd.Flags().StringVarP(&file, "filename", "f", savedFile, "read `FILE`, - for standard input")
	return cmd
}

// restore makes the writes that are needed, and says what is left out.
func (a *app) restore(ctx context.Context, rt http.RoundTripper, reader *selection.Reader, all []selection.Saved) (operations []operation, err error) {
	checker := schema.NewChecker(directly(rt))
	progress := newProgress(a.stderr)
	defer progress.end()
	had := false
	for i, s := range all {
		progress.show(i, len(all))
		var change map[string]any
		var left []string
		x, now, err := reader.ReadSettled(ctx, s.Path)
		if err == nil {
			change, left, err = x.Restore(ctx, checker, now, s)
		}
		if errors.Is(err, selection.ErrValue) {
			return nil, err
		}
		if err != nil {
			if err := reader.Miss(ctx, s.Path, err); err != nil {
				return nil, err
			}
			continue
		}
		had = true
		for _, pointer := range left {
			progress.end()
			fmt.Fprintf(a.stderr, "left out: %s %s cannot be written\n", oneLine(x.Path), oneLine(pointer))
		}
		if len(change) > 0 {
			operations = append(operations, operation{http.MethodPatch, x.Path, []byte(selection.JSON(change, ""))})
		}
	}
	if !had {
		return nil, reader.Unread()[0].Err
	}
	return operations, nil
}
