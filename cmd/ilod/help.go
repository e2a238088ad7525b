package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// more completes the help of commands that have only a line where they are made.
var more = map[string]struct{ long, example string }{
	"ilod":                   {"", "  ilod get /redfish/v1/Systems/1/\n  ilod health\n  ilod doctor"},
	"agent":                  {"", "  ilod agent\n  systemctl start ilod"},
	"agent status":           {"Print when the agent started, its session on the iLO, and the figures of its cache.", "  ilod agent status\n  ilod agent status --json"},
	"agent stop":             {"Ask the agent to end, and wait until its session on the iLO is deleted.", "  ilod agent stop"},
	"cache":                  {"What ilod knows of the iLO's resources, in memory and on disk. Commands without an agent\nuse the same files on disk.", "  ilod cache warm\n  ilod cache status"},
	"cache warm":             {"Read the whole tree of resources into the cache. Later requests are answered from\nthere.", "  ilod cache warm"},
	"cache status":           {"Print how many answers the cache has, how often they were used, and where it is.", "  ilod cache status --json"},
	"cache clear":            {"Forget all answers, in memory and on disk. The next requests ask the iLO.", "  ilod cache clear"},
	"commit":                 {"", "  ilod set AssetTag=rack7 --select ComputerSystem.\n  ilod commit"},
	"config":                 {"The configuration from flags, environment, file and defaults.", "  ilod config show"},
	"config show":            {"", "  ilod config show\n  ilod config show --timeout 1m >ilod.toml"},
	"doctor":                 {"", "  ilod doctor\n  ilod doctor --fix"},
	"ilo-sessions":           {"The iLO's own table of sessions: of people, consoles and programs.", "  ilod ilo-sessions list"},
	"ilo-sessions list":      {"", "  ilod ilo-sessions list"},
	"ilo-sessions show":      {"Print one session of the iLO's table, by the id that list prints.", "  ilod ilo-sessions show ID"},
	"ilo-sessions terminate": {"", "  ilod ilo-sessions terminate --dry-run ID\n  ilod ilo-sessions terminate ID"},
	"iloreset":               {"Reset the iLO. The server goes on; the iLO is out of reach for a minute or two, and all\nof its sessions end.", "  ilod iloreset"},
	"info":                   {"", "  ilod info AssetTag --select ComputerSystem."},
	"limits":                 {"The limits of client sessions, transactions and writes of the agent.", "  ilod limits show\n  ilod limits set max-sessions-per-user=8"},
	"limits show":            {"Print the limits of client sessions that are in effect.", "  ilod limits show"},
	"limits set":             {"", "  ilod limits set inactivity-timeout=10m when-full=oldest-idle"},
	"list":                   {"", "  ilod list --select ComputerSystem.\n  ilod list Status/Health --select Drive."},
	"load":                   {"", "  ilod load -f bios.json"},
	"login":                  {"", "  ilod login\n  ilod login --ilo"},
	"logout":                 {"", "  ilod logout"},
	"pending":                {"Print changed settings that are not in effect yet: those of the next reset of the\nserver.", "  ilod pending"},
	"results":                {"Print what the server reported about settings at its last reset, for each resource that\nhas such: usually Success, otherwise the settings that it did not take.", "  ilod results"},
	"raw":                    {"", "  ilod raw GET /redfish/v1/"},
	"rawget":                 {"Print a resource in the way of ilorest; get does more.", "  ilod rawget /redfish/v1/Systems/1/"},
	"rawhead":                {"Print the headers of the answer to HEAD in the way of ilorest; raw does more.", "  ilod rawhead /redfish/v1/Systems/1/"},
	"rawdelete":              {"Delete a resource in the way of ilorest; raw does more.", "  ilod rawdelete /redfish/v1/AccountService/Accounts/3/"},
	"rawpatch":               {"", "  ilod rawpatch changes.json"},
	"rawpost":                {"", "  ilod rawpost account.json"},
	"rawput":                 {"", "  ilod rawput settings.json"},
	"reboot":                 {"", "  ilod reboot"},
	"serverinfo":             {"Print the parts of the server: all of them, or those that flags name.", "  ilod serverinfo\n  ilod serverinfo --json"},
	"session end":            {"End one of your client sessions, without ID the one in use. Its open transaction is\ndiscarded.", "  ilod session end"},
	"session list":           {"Print your client sessions with their users, without their variables. An admin sees\neverybody's.", "  ilod session list"},
	"session new":            {"", "  eval \"$(ilod session new --shell)\"\n  ilod session new --name nightly --json"},
	"session log":            {"Print the last hundred things that happened to client sessions and to the iLO's, with\nwho did them, from where, and why. For admins. The agent's log has them all.", "  ilod session log"},
	"session rotate-key":     {"Change the key that signs handles. All handles become invalid; the client sessions stay.\nTheir owners get fresh handles with use.", "  ilod session rotate-key"},
	"session set":            {"", "  ilod session set active-path /redfish/v1/Systems/1/\n  ilod session set recursive --default"},
	"session show":           {"Print a client session with its variables, or without ID the one in use.", "  ilod session show"},
	"session terminate":      {"End a client session, for admins anybody's. Its open transaction is discarded.", "  ilod session terminate ID"},
	"session terminate-user": {"End all client sessions of a user and print their ids. For admins, or for oneself.", "  ilod session terminate-user alice"},
	"session use":            {"Print a fresh handle of one of your client sessions, in place of a lost, stale or\ninvalid one.", "  eval \"$(ilod session use --shell ID)\""},
	"set":                    {"", "  ilod set AssetTag=rack7 --select ComputerSystem."},
	"status":                 {"Print what would change with the next commit.", "  ilod status"},
	"tx begin":               {"Begin a transaction in the client session; each has at most one. The writes that follow\nare checked and staged, not sent.", "  ilod tx begin\n  ilod tx begin --timeout 1h"},
	"tx commit":              {"Send the staged writes in order. If one fails, those before it are undone as far as the\niLO allows. The result has the outcome of each.", "  ilod tx commit"},
	"tx diff":                {"Print what a commit would change: each property, its value now and then.", "  ilod tx diff\n  ilod tx diff --json"},
	"tx rollback":            {"Discard the staged writes, and end the transaction. Nothing is sent.", "  ilod tx rollback"},
	"tx status":              {"Print the open transaction and its staged writes; or, once, the result of a commit that\na crash interrupted.", "  ilod tx status"},
	"types":                  {"Print the types of the iLO's resources, as select takes them.", "  ilod types"},
	"version":                {"Print the version of ilod and what it was built with.", "  ilod version\n  ilod version --json"},
}

func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "help [command]",
		Short:   "Explain a command or a topic",
		Long:    "Print what a command does, with its flags and examples, or a topic such as exit-codes.",
		Example: "  ilod help\n  ilod help session new\n  ilod help exit-codes",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return &usageError{fmt.Sprintf("unknown help topic %q", strings.Join(args, " ")), hintFor(topic, rest[0])}
			}
			return topic.Help()
		},
	}
}

// completeHelp gives commands what is in more, unless they have it.
func completeHelp(cmd *cobra.Command) {
	m := more[strings.TrimPrefix(cmd.CommandPath(), "ilod ")]
	if cmd.Long == "" {
		cmd.Long = m.long
	}
	if cmd.Example == "" {
		cmd.Example = m.example
	}
	for _, sub := range cmd.Commands() {
		completeHelp(sub)
	}
}

// hintFor names the commands below cmd that are nearest to a word.
func hintFor(cmd *cobra.Command, word string) string {
	cmd.SuggestionsMinimumDistance = 2
	near := cmd.SuggestionsFor(word)
	if len(near) == 0 {
		if !cmd.HasParent() {
			return "see 'ilod help'"
		}
		return fmt.Sprintf("see '%s --help'", cmd.CommandPath())
	}
	return fmt.Sprintf("did you mean '%s'?", strings.Join(near, "' or '"))
}
