package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/schema"
	"github.com/ilod/ilod/agent/selection"
)

// savedFile is where save and load have settings, as ilorest.
const savedFile = "ilorest.json"

func (a *app) saveCommand() *cobra.Command {
	var s selecting
	var file, several string
	cmd := &cobra.Command{
		Use: "save", Short: "Write the settings of the selected resources to a file", Args: noArguments,
		Long: `Write to a file what of the selected resources can be written, for load. Of settings
that wait for a reset of the server it has these. The file has ilorest's form.`,
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
				for _, s.text = range selectors {
					found, err := s.find(ctx, a, rt)
					if err != nil {
						return err
					}
					settings, err := a.settings(ctx, found)
					if err != nil {
						return err
					}
					all = append(all, settings...)
				}
				if len(all) == 0 {
					return fmt.Errorf("%w can be saved: nothing of these resources can be written", errNoChanges)
				}
				return a.save(ctx, rt, file, all)
			})
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().StringVarP(&file, "filename", "f", savedFile, "write to `FILE`, - for standard output")
	cmd.Flags().StringVar(&several, "multisave", "", "resources of several types: `TYPE,TYPE`")
	return cmd
}

// settings are those of the selected resources, as they will be.
func (a *app) settings(ctx context.Context, s *selected) (all []selection.Saved, err error) {
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
			return nil, err
		}
		if len(settings) > 0 {
			all = append(all, selection.Saved{Type: x.Type, Path: x.Path, Settings: settings})
		}
	}
	return all, nil
}

// save writes the file, with what it is from.
func (a *app) save(ctx context.Context, rt http.RoundTripper, file string, all []selection.Saved) error {
	reader := &selection.Reader{Next: directly(rt)}
	note := map[string]any{}
	systems, err := reader.Find(ctx, selection.Selector{Type: "ComputerSystem."})
	if err != nil {
		return err
	}
	for _, name := range []string{"Manufacturer", "Model", "SerialNumber", "BiosVersion"} {
		if v, ok := systems[0].Body[name].(string); ok {
			note[name] = v
		}
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
server, is not sent, and what cannot be written is left out and named.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := a.readFile(file)
			if err != nil {
				return fmt.Errorf("%w: %w", errFile, err)
			}
			all, err := selection.Load(data)
			if err != nil {
				return fmt.Errorf("%w: %s: %w", errFileForm, file, err)
			}
			a.session = "" // it has one of its own
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				operations, err := a.restore(ctx, rt, all)
				if err != nil {
					return err
				}
				if len(operations) == 0 { // which is what was wanted
					_, err := fmt.Fprintln(a.stderr, "No differences found from current configuration.")
					return err
				}
				if err = a.runTransaction(ctx, rt, operations, false, false); isMessage("TransactionRolledBack")(err) {
					err = &commitError{err}
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&file, "filename", "f", savedFile, "read `FILE`, - for standard input")
	return cmd
}

// restore makes the writes that are needed, and says what is left out.
func (a *app) restore(ctx context.Context, rt http.RoundTripper, all []selection.Saved) (operations []operation, err error) {
	reader, checker := currently(rt), schema.NewChecker(directly(rt))
	progress := newProgress(a.stderr)
	defer progress.end()
	for i, s := range all {
		progress.show(i, len(all))
		x, err := reader.Read(ctx, s.Path)
		if err != nil {
			return nil, err
		}
		now, err := reader.Read(ctx, cmp.Or(x.Settings(), x.Path))
		if err != nil {
			return nil, err
		}
		change, left, err := x.Restore(ctx, checker, now, s)
		if err != nil {
			return nil, err
		}
		for _, pointer := range left {
			progress.end()
			fmt.Fprintf(a.stderr, "left out: %s %s cannot be written\n", oneLine(x.Path), oneLine(pointer))
		}
		if len(change) > 0 {
			operations = append(operations, operation{http.MethodPatch, x.Path, []byte(selection.JSON(change, ""))})
		}
	}
	return operations, nil
}
