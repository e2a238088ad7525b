package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/plaintext"
	"github.com/ilod/ilod/agent/secret"
	"github.com/ilod/ilod/agent/server/selection"
	"github.com/ilod/ilod/platform/ownedfile"
)

// Errors of files that users name.
var (
	errFile     = errors.New("the file cannot be used")
	errFileForm = errors.New("the file does not have the format that the command reads")
)

// rawOptions are ilorest's for its raw commands.
type rawOptions struct {
	response, getheaders, silent, service, expand bool
	headers, file, binary, biosPassword           string
	reading
}

func (o *rawOptions) flags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.response, "response", false, "print the body of the answer, whatever its status")
	flags.BoolVar(&o.getheaders, "getheaders", false, "print the headers of the answer, as JSON")
	flags.BoolVar(&o.silent, "silent", false, "do not print the status on stderr")
	flags.BoolVar(&o.service, "service", false, "has no effect; it is accepted so that ilorest scripts run")
	_ = flags.MarkHidden("service") // it exists
	flags.StringVar(&o.headers, "headers", "", "headers of the request: `NAME:VALUE,NAME:VALUE`")
}

func (a *app) rawVerbs() []*cobra.Command {
	return []*cobra.Command{
		a.rawReadCommand("rawget PATH", "Send a GET request, as ilorest does", http.MethodGet),
		a.rawReadCommand("rawhead PATH", "Send a HEAD request, as ilorest does", http.MethodHead),
		a.rawReadCommand("rawdelete PATH", "Send a DELETE request, as ilorest does", http.MethodDelete),
		a.rawWriteCommand("rawpatch FILE", "Send a PATCH request from a file, as ilorest does", http.MethodPatch),
		a.rawWriteCommand("rawpost FILE", "Send a POST request from a file, as ilorest does", http.MethodPost),
		a.rawWriteCommand("rawput FILE", "Send a PUT request from a file, as ilorest does", http.MethodPut),
	}
}

func (a *app) rawReadCommand(use, short, method string) *cobra.Command {
	var o rawOptions
	cmd := &cobra.Command{
		Use: use, Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{cmd.Name() + " needs one path", "ilod " + cmd.Name() + " /redfish/v1/"}
			}
			path := args[0]
			if o.expand {
				path += "?$expand=."
			}
			req, err := rawRequest(method, path, o.headerList(), false)
			if err != nil {
				return err
			}
			header, err := o.header()
			if err != nil {
				return err
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				if req.URL, err = a.climb(ctx, rt, method, req.URL); err != nil {
					return err
				}
				return a.sendRaw(withHeader{rt, header}, req.WithContext(ctx), &o)
			})
		},
	}
	o.flags(cmd.Flags())
	if method == http.MethodGet {
		cmd.Flags().BoolVar(&o.expand, "expand", false, "with the resources that it links to")
		cmd.Flags().StringVarP(&o.binary, "writebin", "b", "", "write the body to `FILE`")
	}
	if method != http.MethodDelete {
		cmd.Flags().StringVarP(&o.file, "filename", "f", "", "write what would be printed to `FILE`")
		o.reading.flags(cmd.Flags())
	} else {
		o.maxAge = -1
	}
	return cmd
}

func (a *app) rawWriteCommand(use, short, method string) *cobra.Command {
	var o rawOptions
	cmd := &cobra.Command{
		Use: use, Short: short,
		Long: short + `. The file, - for standard input, has the bodies by their paths; they are sent in
its order, until one is refused:

  {"/redfish/v1/Systems/1/": {"AssetTag": "rack 7"}, "/redfish/v1/Chassis/1/": {…}}

An older form for one request is {"path": "/redfish/v1/Systems/1/", "body": {…}}.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{cmd.Name() + " needs one file", "see 'ilod " + cmd.Name() + " --help'"}
			}
			bodies, err := a.readBodies(args[0])
			if err != nil {
				return err
			}
			requests := make([]*http.Request, len(bodies))
			for i, b := range bodies {
				if requests[i], err = rawRequest(method, b.path, o.headerList(), true); err != nil {
					return err
				}
				setBody(requests[i], b.body)
				if o.biosPassword != "" { // which no transaction keeps
					requests[i].Header.Set(biosHeader, biosToken(o.biosPassword))
					requests[i].Header.Set(transactionHeader, "immediate")
				}
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				for _, req := range requests { // before any is sent
					if req.URL, err = a.climb(ctx, rt, method, req.URL); err != nil {
						return err
					}
				}
				for _, req := range requests {
					if err := a.sendRaw(rt, req.WithContext(ctx), &o); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	o.flags(cmd.Flags())
	if method != http.MethodPost {
		cmd.Flags().StringVar(&o.biosPassword, biosPassword, "", "the BIOS administrator's `PASSWORD`, for an iLO 4; others can see arguments")
	}
	return cmd
}

// headerList are the headers of the request.
func (o *rawOptions) headerList() []string {
	if o.headers == "" {
		return nil
	}
	return strings.Split(o.headers, ",")
}

// sendRaw sends one request and prints of the answer what is asked for: of a read
// the body, of a write nothing.
func (a *app) sendRaw(rt http.RoundTripper, req *http.Request, o *rawOptions) error {
	resp, body, err := exchange(rt, req)
	if err != nil {
		return err
	}
	if !o.silent {
		fmt.Fprintf(a.stderr, "[%d]\n", resp.StatusCode)
	}
	if receipt, staged := client.ReceiptOf(resp, body); staged && !o.silent {
		fmt.Fprintf(a.stderr, "staged as write %d; 'ilod commit' sends it\n", receipt.Staged)
	}
	var out bytes.Buffer
	if o.getheaders || req.Method == http.MethodHead {
		headers := map[string]string{}
		for name, values := range resp.Header {
			headers[name] = redact(strings.Join(values, ", "))
			if secret.Property(name) {
				headers[name] = redacted
			}
		}
		out.WriteString(selection.JSON(headers, "  "))
	}
	if o.response || !o.getheaders && req.Method == http.MethodGet && isSuccess(resp) && o.binary == "" {
		out.Write(body)
		if !bytes.HasSuffix(body, []byte("\n")) && (o.getheaders || o.response && len(body) > 0) {
			out.WriteByte('\n')
		}
	}
	if isSuccess(resp) && o.binary != "" {
		err = writeFile(o.binary, body)
	}
	switch {
	case err != nil:
	case o.file != "":
		err = writeFile(o.file, out.Bytes())
	case out.Len() > 0:
		err = a.writeBody(out.Bytes())
	}
	if err == nil && !isSuccess(resp) {
		err = client.NewError(resp, body)
	}
	return err
}

// ownersOnly is the mode of files with what an iLO has told, which may be secret.
const ownersOnly = 0o600

// writeFile writes a file that nobody but its owner can read, also if it was there
// before. It fails with errFile.
func writeFile(name string, data []byte) error {
	if err := ownedfile.Write(name, data, ownersOnly); err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	return nil
}

// pathBody is the body of a request for a path.
type pathBody struct {
	path string
	body json.RawMessage
}

// readBodies reads a file of a raw command. It fails with errFile and errFileForm.
func (a *app) readBodies(name string) ([]pathBody, error) {
	data, err := a.readDocument(name)
	if err != nil {
		return nil, err
	}
	bodies, err := inOrder(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errFileForm, name, err)
	}
	if len(bodies) == 2 && bodies[0].path == "body" {
		bodies[0], bodies[1] = bodies[1], bodies[0]
	}
	if len(bodies) == 2 && bodies[0].path == "path" && bodies[1].path == "body" {
		one := pathBody{body: bodies[1].body}
		if err := json.Unmarshal(bodies[0].body, &one.path); err != nil {
			return nil, fmt.Errorf("%w: %s: path is not a string", errFileForm, name)
		}
		bodies = []pathBody{one}
	}
	for _, b := range bodies {
		if !strings.HasPrefix(b.path, "/") && !isRelative(b.path) { // a name alone is a property of a body that has no path
			return nil, fmt.Errorf("%w: %s: %q is not a path", errFileForm, name, b.path)
		}
	}
	if len(bodies) == 0 {
		return nil, fmt.Errorf("%w: %s: it is empty", errFileForm, name)
	}
	return bodies, nil
}

// readDocument reads a file. It fails with errFile and errFileForm.
func (a *app) readDocument(name string) ([]byte, error) {
	data, err := a.readText(name)
	switch {
	case errors.Is(err, plaintext.ErrEncoding):
		return nil, fmt.Errorf("%w: %w", errFileForm, err)
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errFile, err)
	}
	return data, nil
}

// inOrder are the members of a JSON object.
func inOrder(data []byte) (members []pathBody, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errors.New("it is not a JSON object"), err)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := pathBody{path: t.(string)} // of an object's member
		if err := d.Decode(&m.body); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the document is followed by something else")
	}
	return members, nil
}
