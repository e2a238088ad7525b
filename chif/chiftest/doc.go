// Package chiftest is a simulated iLO for tests, to CHIF what net/http/httptest
// is to HTTP: a Server has the channels, the blob store and the REST-over-CHIF
// side of an iLO, an http.Handler behind them plays its Redfish service.
//
// A Port is the iLO's end of one open channel. In-process channels
// (Server.Device), packet sockets (Server.ListenUnix) and a PCI function under
// the real kernel driver all drive ports, so one set of answers serves every
// transport. Faults are rules that can be changed while the server runs, in
// process or through the HTTP+JSON interface of Server.Control.
//
// The packet rules are those of PROTOCOL.md §1 to §3 and §9. Requests are parsed
// here independently of package chif, so that
// an error in its packers cannot hide.
package chiftest
