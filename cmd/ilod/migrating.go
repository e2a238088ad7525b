package main

import "github.com/spf13/cobra"

// migratingTopic is the help topic on what is not as with HPE's ilorest.
func migratingTopic() *cobra.Command {
	return &cobra.Command{Use: "migrating-from-ilorest", Short: "What is not as with HPE's ilorest", Long: `The commands of HPE's ilorest that work on resources are there with its names,
options, files and exit codes. Scripts run with the program's name changed, or with
a link of the name ilorest to ilod, but for this:

Where it works
  Only the iLO of this host, over its channel. There is no --url, --user or
  --password, so take them out: nobody has to log in. For other hosts' iLOs, and
  for an iLO 7, keep ilorest.

Sessions
  What select selects and set changes is kept by the agent, in the client session;
  without agent use --select and --commit. login and logout act on the client
  session. --logout has no effect: no session is left on the iLO in any case.

Selecting
  A type, the beginning of one (not any part of one), or a path, with an optional
  JSON pointer: '/redfish/v1/Systems/1/#/Boot'. --select counts for one command
  and is not remembered; a filter given to select is. Types are those of the iLO's
  ResourceDirectory, with the members of collections that it lists; whatever else
  is there can be selected by its path. Bios. is the resource with the values in
  effect; what waits for a reset is shown by pending.

Reading
  get and list fail (6) if one of several properties is not there. Only data is on
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
