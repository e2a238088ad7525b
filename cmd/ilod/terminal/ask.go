package terminal

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// ErrNone: there is no terminal, and so nobody to be asked.
var ErrNone = errors.New("no terminal")

// Choose has the user choose n of the rows of a table below its header, and returns
// their indexes there, or none if the user cancels. Without a terminal it returns
// ErrNone, and when ctx ends its cause.
func Choose(ctx context.Context, question string, rows [][]string, n int) (chosen []int, err error) {
	// Not stdin: reading that could not be interrupted.
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, ErrNone
	}
	defer tty.Close()
	defer context.AfterFunc(ctx, func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) })()

	fmt.Fprintln(tty, question)
	numbered := [][]string{append([]string{"#"}, rows[0]...)}
	for i, row := range rows[1:] {
		numbered = append(numbered, append([]string{strconv.Itoa(i + 1)}, row...))
	}
	if err := Table(tty, append(numbered, []string{"0", "cancel"})); err != nil {
		return nil, err
	}
	prompt, hint := "number: ", fmt.Sprintf("a number from 0 to %d", len(rows)-1)
	if n > 1 {
		prompt, hint = fmt.Sprintf("%d numbers: ", n), fmt.Sprintf("%d different numbers from 1 to %d, with blanks between them, or 0", n, len(rows)-1)
	}
	answers := bufio.NewScanner(tty)
	for {
		fmt.Fprint(tty, prompt)
		if !answers.Scan() {
			fmt.Fprintln(tty)
			return nil, context.Cause(ctx) // nil: the end of input, which is as good as cancel
		}
		if chosen, ok := numbers(answers.Text(), n, len(rows)-1); ok {
			return chosen, nil
		}
		fmt.Fprintln(tty, hint)
	}
}

// numbers reads n different numbers from 1 to most, and returns each less 1; none for a
// single 0.
func numbers(line string, n, most int) (chosen []int, ok bool) {
	words := strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' || r == '\r' })
	if len(words) == 1 && words[0] == "0" {
		return nil, true
	}
	for _, word := range words {
		i, err := strconv.Atoi(word)
		if err != nil || i < 1 || i > most || slices.Contains(chosen, i-1) {
			return nil, false
		}
		chosen = append(chosen, i-1)
	}
	return chosen, len(chosen) == n
}

// Completer finds how a line goes on: its last word, all words that this can become,
// and whether a single one is whole, so that the next word can follow.
type Completer func(line string) (last string, ways []string, whole bool)

// Lines asks for lines at the terminal of stdin, until ctx ends. Each call of next
// returns one; its last error is io.EOF. TAB completes what is before the cursor, the
// arrows go back to former lines, and ^C throws the line away, unless the terminal can
// do nothing but lines.
func Lines(ctx context.Context, stdin *os.File, prompt string, complete Completer) (next func() (string, error)) {
	// Not stdin, if possible: reading that could not be interrupted.
	in, screen := stdin, os.Stdout
	if tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0); err == nil {
		in, screen = tty, tty
		context.AfterFunc(ctx, func() { _ = tty.Close() })
	}
	if os.Getenv("TERM") == "dumb" {
		return func() (string, error) { return plainLine(in, screen, prompt) }
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
		head := complete.goOn(e, line[:pos])
		return head + line[pos:], len(head), true
	}
	return e.read
}

// goOn goes on with a line as far as there is one way, or shows the ways on the screen.
func (c Completer) goOn(screen io.Writer, head string) string {
	last, ways, whole := c(head)
	switch {
	case len(ways) == 0:
		return head
	case len(ways) == 1 && whole:
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

// plainLine asks for a line at a terminal that can do nothing but lines.
func plainLine(in io.Reader, out io.Writer, prompt string) (string, error) {
	if _, err := io.WriteString(out, prompt); err != nil {
		return "", err
	}
	var line []byte
	for b := make([]byte, 1); ; line = append(line, b[0]) {
		if _, err := io.ReadFull(in, b); err != nil || b[0] == '\n' {
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
