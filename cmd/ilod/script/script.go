// Package script is what a file of commands and a shell have in common: how a text is
// split into commands and their words, and in which order commands run. It does not
// know what a command does.
package script

import (
	"context"
	"fmt"
	"strings"
)

// SyntaxError is a mistake in a text, with what to do about it.
type SyntaxError struct{ Text, Hint string }

func (e *SyntaxError) Error() string { return e.Text }

// Statement is a command in a text: its words, and the line where it begins.
type Statement struct {
	Line  int
	Words []string
}

// String names it without what may be a secret: the words before the first flag
// and the first assignment.
func (s Statement) String() string {
	n := 0
	for n < len(s.Words) && !strings.HasPrefix(s.Words[n], "-") && !strings.Contains(s.Words[n], "=") {
		n++
	}
	return strings.Join(s.Words[:n], " ")
}

// Statements splits a text into commands and their words, which are quoted
// as for a POSIX shell (XCU §2.2). A command ends with its line, unless that is in
// quotes or ends with a backslash; "#" at the beginning of a word begins a
// comment. There are no variables, patterns, pipes, redirections or lists. The error is
// a *SyntaxError.
func Statements(text string) ([]Statement, error) {
	p := statementParser{text: strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n"), line: 1}
	for p.text != "" {
		switch c := p.text[0]; {
		case c == '\n':
			p.endStatement()
			p.take(1)
		case c == ' ' || c == '\t':
			p.endWord()
			p.take(1)
		case c == '#' && !p.begun:
			p.take(strings.IndexByte(p.text+"\n", '\n'))
		case strings.HasPrefix(p.text, "\\\n"):
			p.take(2)
		default:
			if err := p.wordPart(); err != nil {
				return nil, err
			}
		}
	}
	p.endStatement()
	return p.all, nil
}

// statementParser is where Statements is.
type statementParser struct {
	text string // what is left
	line int    // where that begins
	all  []Statement

	statement Statement // the current one
	word      strings.Builder
	begun     bool // of the word there is something, or its quotes
}

// take goes over the next n bytes.
func (p *statementParser) take(n int) (taken string) {
	taken, p.text = p.text[:n], p.text[n:]
	p.line += strings.Count(taken, "\n")
	return taken
}

func (p *statementParser) endWord() {
	if p.begun {
		p.statement.Words = append(p.statement.Words, p.word.String())
	}
	p.word.Reset()
	p.begun = false
}

func (p *statementParser) endStatement() {
	if p.endWord(); p.statement.Words != nil {
		p.all = append(p.all, p.statement)
	}
	p.statement = Statement{}
}

// wordPart reads a byte of a word, as it is or after a backslash, or what is
// between quotes.
func (p *statementParser) wordPart() error {
	const hint = "see 'ilod help batch'"
	if p.statement.Words == nil && !p.begun {
		p.statement.Line = p.line
	}
	line := p.line
	switch c := p.text[0]; {
	case strings.IndexByte("|&;<>", c) >= 0 && !p.begun:
		return &SyntaxError{fmt.Sprintf("line %d: there are no pipes, redirections or lists here: %q", line, c), "put it into quotes, if it is part of a word"}
	case c == '\\':
		if len(p.text) == 1 {
			return &SyntaxError{fmt.Sprintf("line %d ends with a backslash, and nothing follows", line), hint}
		}
		p.word.WriteString(p.take(2)[1:])
	case c == '\'' || c == '"':
		if !p.quoted(c) {
			return &SyntaxError{fmt.Sprintf("line %d: a quote %c has no end", line, c), hint}
		}
	default:
		p.word.WriteString(p.take(1))
	}
	p.begun = true
	return nil
}

// quoted reads what is between two quotes, and reports whether there is a second one.
func (p *statementParser) quoted(quote byte) bool {
	for p.take(1); p.text != "" && p.text[0] != quote; {
		switch {
		case quote == '"' && strings.HasPrefix(p.text, "\\\n"):
			p.take(2)
		case quote == '"' && p.text[0] == '\\' && len(p.text) > 1 && strings.IndexByte("$`\"\\", p.text[1]) >= 0:
			p.word.WriteString(p.take(2)[1:])
		default:
			p.word.WriteString(p.take(1))
		}
	}
	if p.text == "" {
		return false
	}
	p.take(1)
	return true
}

// Run runs statements one after the other, and returns the code of the first that
// fails: run returns 0 for success, and whether another may follow. A failure ends the
// sequence, unless keepGoing is set, and so does the end of ctx: a statement that fails
// then has its code returned, otherwise the error is the cause.
func Run(ctx context.Context, all []Statement, keepGoing bool, run func(Statement) (code int, more bool)) (first int, err error) {
	for _, s := range all {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		code, more := run(s)
		if first == 0 || code != 0 && ctx.Err() != nil {
			first = code
		}
		if first != 0 && (!keepGoing || ctx.Err() != nil) || !more {
			break
		}
	}
	return first, nil
}
