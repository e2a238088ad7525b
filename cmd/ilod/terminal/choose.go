package terminal

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Choose has the user choose one of the rows of a table, and returns its index, or -1
// for none. Without a terminal it returns ErrNone, and when ctx ends its cause.
func Choose(ctx context.Context, question, header string, rows []string) (index int, err error) {
	// Not stdin: reading that could not be interrupted.
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return -1, ErrNone
	}
	defer tty.Close()
	defer context.AfterFunc(ctx, func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) })()

	fmt.Fprintln(tty, question)
	numbered := make([]string, len(rows), len(rows)+1)
	for i, r := range rows {
		numbered[i] = fmt.Sprintf("%d\t%s", i+1, r)
	}
	if err := Table(tty, "#\t"+header, append(numbered, "0\tcancel")); err != nil {
		return -1, err
	}
	answers := bufio.NewScanner(tty)
	for {
		fmt.Fprint(tty, "number: ")
		if !answers.Scan() {
			fmt.Fprintln(tty)
			return -1, context.Cause(ctx) // nil: the end of input, which is as good as cancel
		}
		n, err := strconv.Atoi(strings.TrimSpace(answers.Text()))
		if err == nil && 0 <= n && n <= len(rows) {
			return n - 1, nil
		}
		fmt.Fprintf(tty, "a number from 0 to %d\n", len(rows))
	}
}
