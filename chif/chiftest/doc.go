// Package chiftest simulates an iLO for tests, as net/http/httptest simulates a web
// server. A Server has the channels, the blob store and the REST-over-CHIF side of an
// iLO. An http.Handler behind them plays its Redfish service.
//
// A Port is the iLO's end of one open channel. In-process channels
// (Server.Device), packet sockets (Server.ListenUnix) and a PCI function under
// the real kernel driver all drive ports, so one set of answers serves every
// transport. Faults are rules. A test can change them while the server runs, in
// process or through the HTTP+JSON interface of Server.Control.
//
// The packet rules are those of PROTOCOL.md §1 to §3 and §9. This package parses
// requests with its own code, not with package chif, so an error in chif's packers
// cannot hide.
package chiftest
