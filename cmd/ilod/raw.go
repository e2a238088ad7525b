package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ilod/ilod/agent/client"
	"github.com/ilod/ilod/agent/plaintext"
)

// methods are those that raw sends, and whether they take a body.
var methods = map[string]bool{
	http.MethodGet: false, http.MethodHead: false, http.MethodDelete: false,
	http.MethodPost: true, http.MethodPatch: true, http.MethodPut: true,
}

// ownedHeaders are the transport's or the session's business.
var ownedHeaders = []string{
	"Authorization", "Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Authorization",
	"Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "X-Auth-Token",
}

func (a *app) rawCommand() *cobra.Command {
	var data string
	var headers []string
	var immediate bool
	cmd := &cobra.Command{
		Use:   "raw METHOD PATH",
		Short: "Send one request to the iLO, and print the body of the answer",
		Long: `Send one request in an iLO session and print the body of the answer, whatever
its status; for HEAD print status line and headers. With -v the status line and
the headers of any answer go to stderr.`,
		Example: `  ilod raw PATCH /redfish/v1/Systems/1/ --data '{"AssetTag":"rack 7"}'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return &usageError{"raw needs a method and a path", "ilod raw GET /redfish/v1/"}
			}
			var body []byte
			var err error
			hasBody := cmd.Flags().Changed("data")
			req, err := rawRequest(args[0], args[1], headers, hasBody)
			if err != nil {
				return err
			}
			if hasBody {
				if body, err = a.readData(data, strings.Contains(req.Header.Get("Content-Type"), "json")); err != nil {
					return err
				}
				if len(headers) == 0 && len(body) > 0 && !json.Valid(body) {
					return &usageError{"--data is not JSON", `quote it, as in --data '{"AssetTag":"rack 7"}'; a body of another kind has --header Content-Type:TYPE`}
				}
			}
			if immediate {
				req.Header.Set(transactionHeader, "immediate")
			}
			return a.withILO(cmd.Context(), func(ctx context.Context, rt http.RoundTripper) error {
				req := req.WithContext(ctx)
				if req.URL, err = a.climb(ctx, rt, req.Method, req.URL); err != nil {
					return err
				}
				return a.raw(rt, req, body)
			})
		},
	}
	cmd.Flags().StringVarP(&data, "data", "d", "", "the request's body: `@FILE`, - for standard input, or the text itself")
	cmd.Flags().StringArrayVarP(&headers, "header", "H", nil, "a header `NAME:VALUE` of the request; may be repeated")
	cmd.Flags().BoolVar(&immediate, "immediate", false, "send a write at once, even if a transaction is open")
	return cmd
}

// rawRequest checks the arguments and makes a request of them, yet without body.
func rawRequest(method, path string, headers []string, hasBody bool) (*http.Request, error) {
	method = strings.ToUpper(method)
	takesBody, known := methods[method]
	if !known {
		return nil, &usageError{fmt.Sprintf("unknown method %q", method), "one of " + strings.Join(slices.Sorted(maps.Keys(methods)), ", ")}
	}
	if hasBody && !takesBody {
		return nil, &usageError{fmt.Sprintf("%s takes no --data", method), "use POST, PATCH or PUT"}
	}
	u, err := parsePath(path)
	if err != nil {
		return nil, err
	}
	req := &http.Request{Method: method, URL: u, Header: http.Header{}}
	for _, h := range headers {
		name, value, found := strings.Cut(h, ":")
		name, value = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !found || !isToken(name) || strings.ContainsAny(value, "\r\n\x00"):
			return nil, &usageError{fmt.Sprintf("header %q is not of the form NAME:VALUE", h), "for example --header If-Match:*"}
		case slices.Contains(ownedHeaders, name):
			return nil, &usageError{fmt.Sprintf("header %s is set by ilod itself", name), "leave it out"}
		}
		req.Header.Add(name, value)
	}
	setDefault(req.Header, "Odata-Version", "4.0")
	if hasBody {
		setDefault(req.Header, "Content-Type", "application/json")
	}
	return req, nil
}

// setDefault sets a header that the user did not.
func setDefault(h http.Header, name, value string) {
	if _, set := h[name]; !set {
		h.Set(name, value)
	}
}

// isToken reports a header name as RFC 9110 §5.6.2 wants it.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// readData reads what --data names: text, or bytes as they are.
func (a *app) readData(data string, text bool) ([]byte, error) {
	name, isFile := strings.CutPrefix(data, "@")
	if !isFile && data != "-" {
		return []byte(data), nil
	}
	read := a.readFile
	if text {
		read = a.readText
	}
	body, err := read(name)
	if err != nil {
		return nil, &usageError{fmt.Sprintf("--data: %v", err), ""}
	}
	return body, nil
}

// maxInput bounds what a command reads from a file or from standard input, in bytes.
// It is twice the largest request.
const maxInput = 64 << 20

// readFile reads a file, or standard input for "-".
func (a *app) readFile(name string) ([]byte, error) {
	if name != "-" {
		return plaintext.ReadFile(name, maxInput)
	}
	data, err := plaintext.Read(a.stdin, maxInput)
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return data, nil
}

// readText is readFile for text, which it returns in UTF-8. The error wraps
// plaintext.ErrEncoding if it is none.
func (a *app) readText(name string) ([]byte, error) {
	data, err := a.readFile(name)
	if err != nil {
		return nil, err
	}
	text, err := plaintext.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

// raw sends the request and prints the answer.
func (a *app) raw(rt http.RoundTripper, req *http.Request, data []byte) error {
	if len(data) > 0 {
		setBody(req, data)
	}
	resp, body, err := exchange(rt, req)
	if err != nil {
		return err
	}
	if a.verbose > 0 {
		if err := writeHead(a.stderr, resp); err != nil {
			return err
		}
	}
	if req.Method == http.MethodHead {
		err = writeHead(a.stdout, resp)
	} else {
		err = a.writeBody(body)
	}
	if receipt, staged := client.ReceiptOf(resp, body); staged && !a.json {
		fmt.Fprintf(a.stderr, "staged as write %d; 'ilod tx commit' sends it\n", receipt.Staged)
	}
	if err == nil && !isSuccess(resp) {
		err = client.NewError(resp, body)
	}
	return err
}

// writeHead writes status line and headers, sorted by name, without the token.
func writeHead(w io.Writer, resp *http.Response) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d %s\n", resp.Proto, resp.StatusCode, http.StatusText(resp.StatusCode))
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		for _, value := range resp.Header[name] {
			b.WriteString(oneLine(redact(name+": "+value)) + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
