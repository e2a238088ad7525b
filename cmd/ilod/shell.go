package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const prompt = "ilod> "

func (a *app) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use: "shell", Short: "Run commands as they are typed, in one session", Args: noArguments,
		Long: `Run commands as they are typed, as on the command line without "ilod", and quoted as
in a batch. They share one client session, which is ended with the shell unless
--session names it. Without agent they share one session on the iLO, and other
commands wait until the shell has ended.

TAB completes, the arrows go back to former lines, which are kept in memory only.
^C ends the command that is running, or throws the line away; ^D, exit or quit end
the shell. Without a terminal on standard input it is "batch --keep-going -".`,
		Example: `  ilod shell
  ilod> select Bios.
  ilod> set BootMode=Uefi
  ilod> commit`,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.shell(cmd.Context()) },
	}
}

func (a *app) shell(ctx context.Context) error {
	stdin, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(stdin.Fd())) {
		return a.batch(ctx, "-", true)
	}
	ctx, stop := interruptible(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// Once it has begun ^C ends commands only, and nothing between them.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	starting, end := interruptible(ctx, syscall.SIGINT)
	end = sync.OnceFunc(end)
	defer end()
	begun := context.AfterFunc(starting, func() { cancel(context.Cause(starting)) })
	lines := newLines(ctx, stdin, a.complete)
	err := a.hold(ctx, "shell", func(ctx context.Context) error {
		begun()
		end()
		return a.interact(ctx, lines)
	})
	return signalled(ctx, err)
}

// interact runs lines until there are no more, or it fails with errExpired.
func (a *app) interact(ctx context.Context, lines lineReader) error {
	for a.stdout.err == nil {
		line, err := lines.read()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("the terminal: %w", err)
		}
		all, err := parseStatements(line)
		if err != nil {
			a.report(err)
		}
		for _, s := range all {
			if word := strings.Join(s.words, " "); word == "exit" || word == "quit" {
				return nil
			}
			if err := a.check(s); err != nil {
				a.report(err)
				continue
			}
			command, stop := interruptible(ctx, syscall.SIGINT)
			code := a.run(command, s, "")
			stop()
			if code == sessionExpired && a.session == "" {
				return errExpired
			}
		}
	}
	return nil
}

// lineReader asks for one line after the other; the last error is io.EOF.
type lineReader interface{ read() (string, error) }

// newLines makes a lineReader for the terminal of a file until ctx ends.
func newLines(ctx context.Context, stdin *os.File, complete func(io.Writer, string) string) lineReader {
	// Not stdin, if possible: reading that could not be interrupted.
	in, screen := stdin, os.Stdout
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		in, screen = tty, tty
		context.AfterFunc(ctx, func() { _ = tty.Close() })
	}
	if os.Getenv("TERM") == "dumb" {
		return &plainLines{in, screen}
	}
	e := &editor{fd: int(stdin.Fd())}
	e.Terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{&keys{in, nil}, screen}, prompt)
	e.History = &history{}
	e.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		head := complete(e, line[:pos])
		return head + line[pos:], len(head), true
	}
	return e
}

// plainLines is for terminals that can do nothing but lines.
type plainLines struct {
	in  io.Reader
	out io.Writer
}

func (p *plainLines) read() (string, error) {
	if _, err := io.WriteString(p.out, prompt); err != nil {
		return "", err
	}
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := io.ReadFull(p.in, b); err != nil || b[0] == '\n' {
			return string(line), err
		}
	}
}

// editor has lines edited.
type editor struct {
	*term.Terminal
	fd int // of the terminal
}

// read has the terminal in raw mode only while a line is edited, so that ^C
// reaches commands.
func (e *editor) read() (string, error) {
	state, err := term.MakeRaw(e.fd)
	if err != nil {
		return "", err
	}
	defer term.Restore(e.fd, state)
	if width, height, err := term.GetSize(e.fd); err == nil && width > 0 {
		_ = e.SetSize(width, height)
	}
	return e.ReadLine()
}

// keys are those of a terminal, with ^C made what throws a line away: to its end,
// erase it, and Enter.
type keys struct {
	io.Reader
	rest []byte
}

func (k *keys) Read(p []byte) (int, error) {
	if len(k.rest) == 0 {
		pressed := make([]byte, 128)
		n, err := k.Reader.Read(pressed)
		if n == 0 {
			return 0, err
		}
		k.rest = bytes.ReplaceAll(pressed[:n], []byte{'C' - '@'}, []byte{'E' - '@', 'U' - '@', '\r'})
	}
	n := copy(p, k.rest)
	k.rest = k.rest[n:]
	return n, nil
}

// history has former lines, without empty and repeated ones, the latest last.
type history struct{ lines []string }

const maxHistory = 500

func (h *history) Add(line string) {
	if line == "" || h.Len() > 0 && h.At(0) == line {
		return
	}
	if h.lines = append(h.lines, line); len(h.lines) > maxHistory {
		h.lines = h.lines[1:]
	}
}

func (h *history) Len() int { return len(h.lines) }

func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }

// complete goes on with what stands before the cursor as far as there is one way,
// or shows the ways on the screen.
func (a *app) complete(screen io.Writer, head string) string {
	const cursor = "\x00" // so that there is a word, even after a blank
	all, err := parseStatements(head + cursor)
	if err != nil || len(all) != 1 {
		return head
	}
	words := all[0].words
	last := strings.TrimSuffix(words[len(words)-1], cursor)
	if !strings.HasSuffix(head, last) { // it has quotes
		return head
	}
	ways, final := a.completions(append(words[:len(words)-1], last))
	switch {
	case len(ways) == 0:
		return head
	case len(ways) == 1 && final:
		return head + ways[0][len(last):] + " "
	}
	common := ways[0]
	for _, w := range ways[1:] {
		for !strings.HasPrefix(w, common) {
			common = common[:len(common)-1]
		}
	}
	if len(ways) > 1 && common == last {
		const most = 60
		more := ""
		if len(ways) > most {
			more = fmt.Sprintf("  … %d more", len(ways)-most)
			ways = ways[:most]
		}
		fmt.Fprintln(screen, strings.Join(ways, "  ")+more)
	}
	return head + common[len(last):]
}

// completions are the ways to go on with the last word, and whether a single one
// is the whole word.
func (a *app) completions(words []string) (ways []string, final bool) {
	_, root := a.inner()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{cobra.ShellCompNoDescRequestCmd}, words...))
	if root.Execute() != nil {
		return nil, false
	}
	var directive cobra.ShellCompDirective
	for line := range strings.Lines(out.String()) {
		line = strings.TrimSuffix(line, "\n")
		if _, err := fmt.Sscanf(line, ":%d", &directive); err != nil && strings.HasPrefix(line, words[len(words)-1]) {
			ways = append(ways, line)
		}
	}
	return ways, directive&cobra.ShellCompDirectiveNoSpace == 0
}
