package clients

// Variables are what a client session remembers for its client.
type Variables struct {
	ActivePath   string // where relative paths begin
	Recursive    bool   // a GET answers with all below the resource
	ReturnedPath string // the form of links in answers: "full", "relative" or "leaf"
	Output       string // for the command line: "text", "json" or "raw"
	Selection    string // for the command line: a type such as "ComputerSystem."
}
