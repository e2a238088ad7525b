package main

import (
	"fmt"
	"strings"
)

// statement is a command in a file: its words, and the line where it begins.
type statement struct {
	line  int
	words []string
}

// String names it without what may be a secret: the words before the first flag
// and the first assignment.
func (s statement) String() string {
	n := 0
	for n < len(s.words) && !strings.HasPrefix(s.words[n], "-") && !strings.Contains(s.words[n], "=") {
		n++
	}
	return strings.Join(s.words[:n], " ")
}

// parseStatements splits a text into commands and their words, which are quoted
// as for a POSIX shell (XCU §2.2). A command ends with its line, unless that is in
// quotes or ends with a backslash; "#" at the beginning of a word begins a
// comment. There are no variables, patterns, pipes, redirections or lists.
func parseStatements(text string) (all []statement, err error) {
	const hint = "see 'ilod help batch'"
	text = strings.ReplaceAll(strings.TrimPrefix(text, "\ufeff"), "\r\n", "\n")
	var s statement
	var word strings.Builder
	line, begun := 1, false // begun: of the word there is something, or its quotes
	endWord := func() {
		if begun {
			s.words = append(s.words, word.String())
		}
		word.Reset()
		begun = false
	}
	endStatement := func() {
		if endWord(); s.words != nil {
			all = append(all, s)
		}
		s = statement{}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '\n':
			endStatement()
			line++
			continue
		case c == ' ' || c == '\t':
			endWord()
			continue
		case c == '#' && !begun:
			i += strings.IndexByte(text[i:]+"\n", '\n') - 1
			continue
		case c == '\\' && strings.HasPrefix(text[i+1:], "\n"):
			i++
			line++
			continue
		}
		if s.words == nil && !begun {
			s.line = line
		}
		switch {
		case strings.IndexByte("|&;<>", c) >= 0 && !begun:
			return nil, &usageError{fmt.Sprintf("line %d: there are no pipes, redirections or lists here: %q", line, c), "put it into quotes, if it is part of a word"}
		case c == '\\':
			if i++; i == len(text) {
				return nil, &usageError{fmt.Sprintf("line %d ends with a backslash, and nothing follows", line), hint}
			}
			word.WriteByte(text[i])
		case c == '\'' || c == '"':
			opened := line
			for i++; i < len(text) && text[i] != c; i++ {
				if c == '"' && text[i] == '\\' && i+1 < len(text) && strings.IndexByte("$`\"\\\n", text[i+1]) >= 0 {
					if i++; text[i] == '\n' {
						line++
						continue
					}
				} else if text[i] == '\n' {
					line++
				}
				word.WriteByte(text[i])
			}
			if i >= len(text) {
				return nil, &usageError{fmt.Sprintf("line %d: a quote %c has no end", opened, c), hint}
			}
		default:
			word.WriteByte(c)
		}
		begun = true
	}
	endStatement()
	return all, nil
}
