package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/server/selection"
)

// savedFile is where save and load have settings, as ilorest.
const savedFile = "ilorest.json"

func (a *app) saveCommand() *cobra.Command {
	var s selecting
	var file, several string
	cmd := &cobra.Command{
		Use: "save", Short: "Write the settings of the selected resources to a file", Args: noArguments,
		Long: `Write the writable properties of the selected resources to a file for load. Settings
that wait for a reset of the server are saved as they will be. The file has
ilorest's format. What cannot be read is left out, and is named here and in the
comments of the file; the exit code is 104 then.`,
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
	if s != nil && ctx.Err() == nil && len(s.Reader.Unread()) > 0 {
		err = nil // it is about these
	}
	if err != nil {
		return nil, nil, err
	}
	defer a.showProgress(s.Reader)()
	all, err = s.Settings(ctx)
	return all, s.Reader.Unread(), err
}

// save writes the file, with what it is from.
func (a *app) save(ctx context.Context, rt http.RoundTripper, file string, all []selection.Saved, unread []selection.Unread) error {
	note, err := (&selection.Reader{Next: directly(rt)}).Origin(ctx, unread)
	if err != nil {
		return err
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
