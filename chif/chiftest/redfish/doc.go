// Package redfish simulates the Redfish service of an HPE iLO 4, 5, 6 or 7 as
// software on the host sees it: an http.Handler over a resource tree, with the
// session service, the ETags and the refusals of a real one.
//
// Everything an iLO is known or suspected to do differently by generation or
// firmware is a field of Options; what goes wrong while it runs is a field of
// Faults. Defaults are those of an iLO 5 in Production security state. Section
// numbers in this package are those of agent/ILO.md unless they name another one.
package redfish
