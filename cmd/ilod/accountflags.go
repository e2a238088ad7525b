package main

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// accountFlags are those with which scripts for ilorest name an iLO and an account
// of it. The iLO of this host wants neither.
func accountFlags(flags *pflag.FlagSet) {
	flags.VarP(forgotten{}, "user", "u", "has no effect; it is accepted so that ilorest scripts run")
	flags.VarP(forgotten{}, "password", "p", "has no effect; it is accepted so that ilorest scripts run")
	flags.Var(iloURL{}, "url", "has no effect; it is accepted so that ilorest scripts run")
	flags.Var(forgotten{}, biosPassword, "has no effect; it is accepted so that ilorest scripts run")
	for _, name := range []string{"user", "password", "url", biosPassword} {
		_ = flags.MarkHidden(name) // it exists
	}
}

// biosPassword is the flag with the password of an iLO 4 server's BIOS. Servers
// with later iLOs ask a client for none.
const biosPassword = "biospassword"

// biosHeader has that of a request (chif/PROTOCOL.md §3).
const biosHeader = "X-Hprestfulapi-Authtoken"

// biosToken is what proves that one knows a password.
func biosToken(password string) string { return fmt.Sprintf("%X", sha256.Sum256([]byte(password))) }

// forgotten is the value of a flag that is kept nowhere.
type forgotten struct{}

func (forgotten) Set(string) error { return nil }

func (forgotten) String() string { return "" }

func (forgotten) Type() string { return "string" }

// iloURL is the value of a flag that can name this host's iLO alone.
type iloURL struct{ forgotten }

func (iloURL) Set(s string) error {
	if s != "" && s != localURL { // configure sets it again, to what it has kept
		return &usageError{"--url: ilod knows the iLO of this host alone", "leave --url out, or use ilorest for iLOs of other hosts"}
	}
	return nil
}

// noteAccount says once that an account is not used.
func (a *app) noteAccount(flags *pflag.FlagSet) {
	var notes []string
	if flags.Changed("user") || flags.Changed("password") {
		notes = append(notes, "--user and --password are ignored: the channel needs no login. For an iLO that wants one, set credentials-file in ilod.toml. Leave them out: other users can see arguments")
	}
	if f := flags.Lookup(biosPassword); f.Changed && f.Value == (forgotten{}) {
		notes = append(notes, "--biospassword is ignored: an iLO 5 or 6 asks for none. For an iLO 4, give it to 'ilod rawpatch' or 'ilod rawput'")
	}
	if notes != nil {
		a.accountNote.Do(func() { fmt.Fprintln(a.stderr, "warning: "+strings.Join(notes, "\nwarning: ")) })
	}
}
