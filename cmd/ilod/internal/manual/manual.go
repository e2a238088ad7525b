// Package manual writes the pages of a manual from a tree of commands, in the language
// of man(7).
package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Write writes a page for each command that is not hidden, and for each help topic, to a
// directory, which it makes if there is none. Each page has the date.
func Write(cmd *cobra.Command, dir string, date time.Time) error {
	if cmd.Hidden {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, File(cmd)), []byte(page(cmd, date)), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := Write(sub, dir, date); err != nil {
			return err
		}
	}
	return nil
}

// File is the name of a command's page, such as ilod-session-new.1.
func File(cmd *cobra.Command) string { return pageName(cmd) + "." + section(cmd) }

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// section of the manual: 1 for commands, 7 for topics.
func section(cmd *cobra.Command) string {
	if cmd.IsAdditionalHelpTopicCommand() {
		return "7"
	}
	return "1"
}

// page is a page of the manual in the language of man(7).
func page(cmd *cobra.Command, date time.Time) string {
	var b strings.Builder
	put := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	put(`.TH %s %s %s ilod`, strings.ToUpper(pageName(cmd)), section(cmd), date.UTC().Format(time.DateOnly))
	put(".SH NAME\n%s \\-\n%s", roff(pageName(cmd)), filled(cmd.Short))
	if cmd.Runnable() {
		put(".SH SYNOPSIS\n.nf\n%s\n.fi", roff(cmd.UseLine()))
	}
	put(".SH DESCRIPTION")
	b.WriteString(paragraphs(cmd.Long))
	flags(&b, cmd.NonInheritedFlags())
	if cmd.HasParent() && cmd.Runnable() {
		put(".P\nThe global options are in\n.BR ilod (1).")
	}
	if cmd.Example != "" {
		put(".SH EXAMPLES\n.RS 2\n.nf\n%s\n.fi\n.RE", roff(unindented(cmd.Example)))
	}
	var also []string
	if cmd.HasParent() {
		also = append(also, reference(cmd.Parent()))
	}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			also = append(also, reference(sub))
		}
	}
	put(".SH SEE ALSO\n%s", strings.Join(also, " ,\n"))
	return b.String()
}

func reference(cmd *cobra.Command) string {
	return fmt.Sprintf(".BR %s (%s)", roff(pageName(cmd)), section(cmd))
}

// flags writes a list of flags, if there are any.
func flags(b *strings.Builder, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	b.WriteString(".SH OPTIONS\n")
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		if f.Value.Type() == "count" {
			name = ""
		}
		short := ""
		if f.Shorthand != "" {
			short = "-" + f.Shorthand + ", "
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(short+"--"+f.Name+" "+name)), filled(usage))
	})
}

// paragraphs are those of a text; lines that begin with a blank stay as they are.
func paragraphs(text string) string {
	var b strings.Builder
	for i, part := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".P\n")
		}
		if strings.HasPrefix(part, " ") || strings.Contains(part, "\n ") {
			part = ".nf\n" + roff(part) + "\n.fi"
		} else {
			part = filled(part)
		}
		b.WriteString(part + "\n")
	}
	return b.String()
}

// filled quotes a text that roff fills, in lines that are short after that as well.
func filled(text string) string {
	const width = 80
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(text) {
		n := len(roff(word))
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return roff(b.String())
}

func unindented(text string) string {
	return strings.TrimPrefix(strings.ReplaceAll(text, "\n  ", "\n"), "  ")
}

// roff quotes what means something to roff: backslashes, hyphens that are to be
// copied, and dots and quotes at the beginning of a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
