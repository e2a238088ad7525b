package main

import (
	"fmt"

	"github.com/spf13/pflag"
)

// accountFlags are those with which scripts for ilorest name an iLO and an account
// of it. The iLO of this host wants neither.
func (a *app) accountFlags(flags *pflag.FlagSet) {
	flags.VarP(forgotten{}, "user", "u", "has no effect, and is there for scripts")
	flags.VarP(forgotten{}, "password", "p", "has no effect, and is there for scripts")
	flags.Var(&a.url, "url", "has no effect, and is there for scripts")
	for _, name := range accountFlagNames {
		_ = flags.MarkHidden(name) // it exists
	}
}

var accountFlagNames = []string{"user", "password", "url"}

// forgotten is the value of a flag that is kept nowhere.
type forgotten struct{}

func (forgotten) Set(string) error { return nil }

func (forgotten) String() string { return "" }

func (forgotten) Type() string { return "string" }

// iloURL says which iLO is meant.
type iloURL struct{ other bool }

func (u *iloURL) Set(s string) error {
	u.other = s != localURL // which may have a password in it
	return nil
}

func (u *iloURL) String() string { return "" }

func (u *iloURL) Type() string { return "string" }

// checkAccount refuses another iLO, and says once that an account is not used.
func (a *app) checkAccount(flags *pflag.FlagSet) error {
	if a.url.other {
		return &usageError{"--url: ilod knows the iLO of this host alone", "leave --url out, or use ilorest for iLOs of other hosts"}
	}
	if flags.Changed("user") || flags.Changed("password") {
		a.accountNote.Do(func() {
			fmt.Fprintln(a.stderr, "warning: --user and --password are not used: the channel needs no login, and an iLO that wants one takes it from credentials-file in ilod.toml. Leave them out: others can see arguments")
		})
	}
	return nil
}
