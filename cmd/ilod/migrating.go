package main

import "github.com/spf13/cobra"

// notThere are flags of ilorest that ilod does not have, and what to do instead.
var notThere = map[string]string{
	"m":           oneHost,
	"mpfilename":  oneHost,
	"encryption":  "encrypt the file with a program for that, such as gpg: save writes to standard output and load reads standard input with '-f -'",
	"sessionid":   "leave it out: nobody has to log in",
	"otp":         "leave it out: nobody has to log in",
	"enc":         "leave it out: nobody has to log in",
	"e":           "leave it out: nobody has to log in",
	"https":       "leave it out: there is no network between the host and its iLO",
	"usercert":    "leave it out: nobody has to log in",
	"force_vnic":  "leave it out: ilod uses the CHIF channel",
	"useproxy":    "leave it out: there is no network between the host and its iLO",
	"debug":       "use -vv, which shows no secrets",
	"d":           "use -vv, which shows no secrets",
	"logdir":      "leave it out: the log goes to stderr, and the agent's to the journal",
	"includelogs": "leave it out: 'ilod get --recursive' of a log reads it",
}

const oneHost = "ilod knows the iLO of this host alone: run 'ilod load' on each host"

// migratingTopic is the help topic on what is not as with HPE's ilorest.
func migratingTopic() *cobra.Command {
	return &cobra.Command{Use: "migrating-from-ilorest", Short: "Differences from HPE's ilorest", Long: `ilod has those commands of HPE's ilorest that work on resources, with the same names,
options, files and exit codes. Change the program's name in a script, or make a link
ilorest to ilod. These are the differences:

Where it works
  Only the iLO of this host, over its channel; --url is refused, unless it is
  blobstore://. of this host. Nobody has to log in: --user and --password are taken,
  with a warning, and not used. An iLO that wants credentials from its host gets those
  of credentials-file in ilod.toml. For other hosts' iLOs, and for an iLO 7, keep
  ilorest.

Sessions
  The agent keeps the selection and the staged changes in the client session; without
  an agent use --select and --commit. login and logout act on the client session;
  without an agent login checks whether the iLO lets this host in. --logout has no
  effect: no session is ever left on the iLO.

Selecting
  A type, the beginning of one (or any part of one, if none begins so), or a path,
  with an optional JSON pointer: '/redfish/v1/Systems/1/#/Boot'. --select counts for
  one command and is not remembered; a filter given to select is. Types are those of
  the iLO's ResourceDirectory, with the members of collections that it lists;
  whatever else is there can be selected by its path.

Settings that wait for a reset of the server
  get and list print the values in effect, also of Bios., where ilorest prints future
  values; stderr and pending name those that will change. They do not show staged
  changes; status does. save writes future values, as ilorest does.

Reading
  If some of several properties do not exist, the others are printed, and stderr names
  the missing ones; if none exists, that is an error (6). Only data is on stdout. JSON
  is one object for one resource, else an array; properties are sorted by name.
  Answers may come from the cache, never older than 10 s for readings and 15 min for
  settings; --refresh asks the iLO.

Writing
  set checks names, types and values with the iLO's schemas and registries, and
  refuses before anything is sent (28). commit is a transaction: all changes are
  applied, or those that were are put back. Staged changes end with the
  transaction's idle timeout. load sends only what is different, as one
  transaction; save leaves out what is read-only, and load does so too.

Resetting
  reboot does not wait for three seconds, and asks nobody.

Not there
  Commands for storage, firmware, accounts and licences: use rawget, rawpatch and
  rawpost. --cache-dir is --state-dir, and needs an absolute path. --nologo and
  --redfish have no effect. --biospassword has one only for rawpatch and rawput: an
  iLO 5 or 6 asks for none. --encryption, --debug, and load -m for several hosts do
  not exist.
`}
}
