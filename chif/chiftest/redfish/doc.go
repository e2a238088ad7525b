// Package redfish simulates the Redfish service of an HPE iLO 4, 5, 6 or 7 as
// software on the host sees it. It is an http.Handler over a resource tree, with the
// session service, the ETags and the refusals of a real one.
//
// A field of Options stands for each known or suspected difference between iLO
// generations or firmware. A field of Faults stands for each fault at run time. The
// defaults are those of an iLO 5 in Production security state. Section
// numbers in this package are those of agent/ILO.md unless they name another one.
package redfish
