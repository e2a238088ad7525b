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
	return &cobra.Command{Use: "migrating-from-ilorest", Short: "What is not as with HPE's ilorest", Long: `The commands of HPE's ilorest that work on resources are there with its names,
options, files and exit codes. Scripts run with the program's name changed, or with
a link of the name ilorest to ilod, but for this:

Where it works
  Only the iLO of this host, over its channel; --url is refused, unless it is
  blobstore://. of this host. Nobody has to log in: --user and --password are taken,
  with a warning, and not used. An iLO that wants credentials from its host gets those
  of credentials-file in ilod.toml. For other hosts' iLOs, and for an iLO 7, keep
  ilorest.

Sessions
  What select selects and set changes is kept by the agent, in the client session;
  without agent use --select and --commit. login and logout act on the client
  session; without agent login finds out whether the iLO lets this host in. --logout
  has no effect: no session is left on the iLO in any case.

Selecting
  A type, the beginning of one (or any part of one, if none begins so), or a path,
  with an optional JSON pointer: '/redfish/v1/Systems/1/#/Boot'. --select counts for
  one command and is not remembered; a filter given to select is. Types are those of
  the iLO's ResourceDirectory, with the members of collections that it lists;
  whatever else is there can be selected by its path.

Settings that wait for a reset of the server
  get and list print the values in effect, of Bios. too, where ilorest prints those
  that will be; which are to change is said on stderr, and by pending. They do not
  show what is only staged: status does. save writes what will be, as ilorest does.

Reading
  Of several properties those that are there are printed, of all resources, and the
  others are named on stderr; if none is there, that is an error (6). Only data is on
  stdout. JSON is one object for one resource, else an array; properties are in
  order of their names. Answers may come from the cache, never older than 10 s for
  readings and 15 min for settings; --refresh asks the iLO.

Writing
  set checks names, types and values with the iLO's schemas and registries, and
  refuses before anything is sent (28). commit is a transaction: all changes are
  applied, or those that were are put back. Staged changes end with the
  transaction's idle timeout. load sends only what is different, as one
  transaction; save leaves out what is read-only, and load does so too.

Resetting
  reboot does not wait for three seconds, and asks nobody.

Not there
  Commands for storage, firmware, accounts and licences: rawget, rawpatch and rawpost
  reach all of it. --cache-dir is --state-dir, and wants an absolute path. --nologo
  and --redfish have no effect, nor has --biospassword but for rawpatch and rawput: an
  iLO 5 or 6 asks for none. There are no --encryption and --debug, and no load -m for
  several hosts.
`}
}
