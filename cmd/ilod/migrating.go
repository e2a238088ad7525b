package main

import "github.com/spf13/cobra"

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
  session. --logout has no effect: no session is left on the iLO in any case.

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
  readings and 15 min for settings; --refresh asks the iLO. info wants a property.

Writing
  set checks names, types and values with the iLO's schemas and registries, and
  refuses before anything is sent (28). commit is a transaction: all changes are
  applied, or those that were are put back. Staged changes end with the
  transaction's idle timeout. load sends only what is different, as one
  transaction; save leaves out what is read-only, and load does so too.

Resetting
  reboot does not wait for three seconds, and asks nobody.

Not there
  Commands for storage, firmware, accounts and licences, and the options --cache-dir,
  --redfish and --debug. rawget, rawpatch and rawpost reach all of it; --nocache and -v
  are there, and --nologo has no effect.
`}
}
