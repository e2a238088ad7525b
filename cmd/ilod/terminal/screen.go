package terminal

import (
	"io"
	"os"
	"strings"

	"github.com/ilod/ilod/agent/plaintext"
)

// Screen is a text in lines, none of which is wider than the terminal.
type Screen struct {
	Width   int // of a line; 0: any
	Colours bool
	text    strings.Builder
}

// Colour is what makes a terminal write in a colour.
type Colour string

// Colours of a word on a Screen.
const (
	Green  Colour = "\x1b[32m"
	Yellow Colour = "\x1b[33m"
	Red    Colour = "\x1b[31m"
	plain         = "\x1b[0m"
)

// NewScreen is an empty one for w. Terminals alone have colours, unless NO_COLOR is set.
func NewScreen(w io.Writer) *Screen {
	return &Screen{Width: Width(w), Colours: controls(w) && os.Getenv("NO_COLOR") == ""}
}

// controls tells whether w is a terminal that understands escape sequences.
func controls(w io.Writer) bool { return Width(w) > 0 && os.Getenv("TERM") != "dumb" }

// Line adds one line, cut to the width. The first mention of the word has the colour,
// unless that is "".
func (s *Screen) Line(line, word string, colour Colour) {
	text := []rune(strings.TrimRight(plaintext.Line(line), " "))
	if s.Width > 0 && len(text) > s.Width {
		text = append(text[:s.Width-1], '…')
	}
	line = string(text)
	if s.Colours && colour != "" {
		line = strings.Replace(line, word, string(colour)+word+plain, 1)
	}
	s.text.WriteString(line + "\n")
}

// String is the text.
func (s *Screen) String() string { return s.text.String() }

// Show writes the text to w: with again, in place of the one before, or after an empty
// line where w has no such place.
func (s *Screen) Show(w io.Writer, again bool) error {
	text := s.String()
	switch {
	case again && controls(w): // over the last one, without flicker
		text = "\x1b[H" + strings.ReplaceAll(text, "\n", "\x1b[K\n") + "\x1b[J"
	case again:
		text += "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
