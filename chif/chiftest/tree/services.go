package tree

import (
	"fmt"
	"strings"
)

// firmware is the version of each iLO generation that is made up.
var firmware = map[int]struct{ version, date, base, ilo string }{
	4: {"2.82", "Feb 06 2023", "Base.0.10.0", "iLO.0.10.0"},
	5: {"3.05", "Jun 07 2024", "Base.1.18.0", "iLO.2.31.0"},
	6: {"1.62", "Sep 10 2024", "Base.1.18.0", "iLO.2.30.1"},
}

const serial = "SIM0000001"

func (b *builder) root() {
	ilo, version := fmt.Sprint("iLO ", b.generation), firmware[b.generation].version
	body := obj{
		"Id": "RootService", "Name": "HPE RESTful Root Service", "Vendor": "HPE", "UUID": uuid(1), "RedfishVersion": "1.6.0",
		"Product": "ProLiant DL380 " + b.server(),
		"Links":   obj{"Sessions": b.link("SessionService/Sessions")},
		"Oem": b.oem("HpeiLOServiceExt", obj{
			"Links": obj{"ResourceDirectory": b.link("ResourceDirectory")},
			"Manager": list{obj{"DefaultLanguage": "en", "FQDN": "ilo-sim.example", "HostName": "ilo-sim", "ManagerType": ilo,
				"ManagerFirmwareVersion": version, "Status": obj{"Health": "OK"},
				"Languages": list{obj{"Language": "en", "TranslationName": "English", "Version": version}}}},
			"Moniker": obj{"PRODGEN": ilo, "PRODNAM": strings.Replace(ilo, "iLO", "Integrated Lights-Out", 1), "PRODABR": "iLO",
				"PRODFAM": "Integrated Lights-Out", "VENDABR": "HPE"},
			"Sessions": obj{"CertCommonName": "ilo-sim.example", "LocalLoginEnabled": true, "LoginFailureDelay": 0,
				"LDAPEnabled": false, "KerberosEnabled": false, "SecurityOverride": false, "ServerName": "sim.example"},
			"System": list{obj{"Status": obj{"Health": "OK"}}},
			"Time":   "2025-01-01T00:00:00Z",
		}),
	}
	for _, name := range []string{"AccountService", "Chassis", "EventService", "JsonSchemas", "Managers", "Registries",
		"SessionService", "Systems"} {
		body[name] = b.link(name)
	}
	if b.generation > 4 {
		body["UpdateService"], body["Tasks"] = b.link("UpdateService"), b.link("TaskService")
		body["ProtocolFeaturesSupported"] = obj{"FilterQuery": true, "OnlyMemberQuery": true, "SelectQuery": true,
			"ExpandQuery": obj{"ExpandAll": false, "Levels": true, "Links": false, "MaxLevels": 1, "NoLinks": true}}
	}
	b.add("", "ServiceRoot", body)
}

// server is the server generation that has the iLO.
func (b *builder) server() string { return fmt.Sprint("Gen", b.generation+5) }

func uuid(n int) string { return fmt.Sprintf("00000000-5349-4d00-8000-%012d", n) }

func mac(n int) string { return fmt.Sprintf("02:00:00:00:00:%02x", n) }

func (b *builder) sessions() {
	body := obj{"Name": "Session Service", "ServiceEnabled": true, "Sessions": b.link("SessionService/Sessions"), "Status": healthy}
	if b.generation > 4 {
		body["SessionTimeout"] = 30
	}
	b.add("SessionService", "SessionService", body, "PATCH")
	b.collection("SessionService/Sessions", "Session", list{}, "POST")
}

func (b *builder) accounts() {
	privileges := func(all bool) obj {
		p := obj{"LoginPriv": true}
		for _, name := range []string{"RemoteConsolePriv", "UserConfigPriv", "VirtualMediaPriv", "VirtualPowerAndResetPriv", "iLOConfigPriv"} {
			p[name] = all
		}
		return p
	}
	service := obj{"Name": "Account Service", "Description": "iLO User Accounts", "Accounts": b.link("AccountService/Accounts"),
		"MinPasswordLength": 8, "Status": healthy,
		"Oem": b.oem("HpeiLOAccountService", obj{"AuthFailureDelayTimeSeconds": 10, "AuthFailureLoggingThreshold": 3,
			"AuthFailuresBeforeDelay": 1, "MinPasswordLength": 8})}
	account := obj{"Description": "iLO User Account", "Name": "User Account", "Password": nil, "UserName": "Administrator",
		"Oem": b.oem("HpeiLOAccount", obj{"LoginName": "Administrator", "Privileges": privileges(true)})}
	if b.generation > 4 {
		service["Roles"] = b.link("AccountService/Roles")
		account["RoleId"], account["Enabled"] = "Administrator", true
		account["Links"] = obj{"Role": b.link("AccountService/Roles/Administrator")}
		names := []string{"Administrator", "Operator", "ReadOnly"}
		b.members("AccountService/Roles", "Role", len(names), func(i int) string { return names[i] }, func(i int) obj {
			return obj{"RoleId": names[i], "IsPredefined": true, "Description": "iLO User Role", "Name": "User Role",
				"AssignedPrivileges": []string{"Login", "ConfigureSelf", "ConfigureManager", "ConfigureUsers"}[:4-i]}
		})
	}
	b.add("AccountService", "AccountService", service, "PATCH")
	b.add("AccountService/Accounts/1", "ManagerAccount", account, "PATCH", "DELETE")
	b.collection("AccountService/Accounts", "ManagerAccount", b.links("AccountService/Accounts/1"), "POST")
}

func (b *builder) events() {
	b.add("EventService", "EventService", obj{"Name": "Event Service", "Description": "Event Subscription service",
		"Actions":               b.actions("EventService", "EventService.SubmitTestEvent"),
		"DeliveryRetryAttempts": 3, "DeliveryRetryIntervalSeconds": 30, "ServiceEnabled": true, "Status": healthy,
		"Subscriptions": b.link("EventService/Subscriptions")})
	b.add("EventService/Subscriptions/1", "EventDestination", obj{"Name": "EventSubscription", "Destination": "https://192.0.2.30/events",
		"Context": "monitoring", "Protocol": "Redfish", "EventTypes": []string{"Alert", "ResourceUpdated"}}, "PATCH", "DELETE")
	b.collection("EventService/Subscriptions", "EventDestination", b.links("EventService/Subscriptions/1"), "POST")
	if b.generation > 4 {
		b.add("TaskService", "TaskService", obj{"Name": "Task Service", "ServiceEnabled": true, "Status": healthy,
			"Tasks": b.link("TaskService/Tasks")})
		b.collection("TaskService/Tasks", "Task", list{})
	}
}

// updates is where firmware is listed and updated: below the manager and the
// system on an iLO 4, a service of its own later.
func (b *builder) updates(size int) {
	if b.generation == 4 {
		b.add("Managers/1/UpdateService", "HpeiLOFirmwareUpdate", obj{"State": "IDLE", "Name": "Firmware Update"})
		current := obj{}
		for i := range between(16, 60, size) {
			current[fmt.Sprintf("Component%02d", i+1)] = list{obj{"Location": "System Board", "VersionString": fmt.Sprint("1.", i),
				"Name": component(i)}}
		}
		b.add("Systems/1/FirmwareInventory", "FwSwVersionInventory", obj{"Current": current, "Name": "Firmware Version Inventory"})
		return
	}
	b.add("UpdateService", "UpdateService", obj{"Name": "Update Service", "Description": "iLO Update Service",
		"Actions": b.actions("UpdateService", "UpdateService.SimpleUpdate"), "ServiceEnabled": true, "Status": healthy,
		"HttpPushUri": "/cgi-bin/uploadFile", "FirmwareInventory": b.link("UpdateService/FirmwareInventory"),
		"SoftwareInventory": b.link("UpdateService/SoftwareInventory"),
		"Oem":               b.oem("HpeiLOUpdateServiceExt", obj{"State": "Idle", "Accept3rdPartyFirmware": false, "DowngradePolicy": "AllowDowngrade"})}, "PATCH")
	b.inventory("FirmwareInventory", between(16, 60, size), component)
	b.inventory("SoftwareInventory", between(6, 40, size), func(i int) string { return fmt.Sprintf("package-%02d", i+1) })
}

func (b *builder) inventory(kind string, n int, name func(i int) string) {
	b.members("UpdateService/"+kind, "SoftwareInventory", n, number, func(i int) obj {
		body := obj{"Name": name(i), "Version": fmt.Sprintf("%d.%02d", 1+i%3, i), "Status": healthy,
			"Oem": b.oem("HpeiLOSoftwareInventory", obj{"DeviceClass": uuid(1000 + i), "DeviceContext": "System Board",
				"Targets": []string{uuid(2000 + i)}})}
		if kind == "FirmwareInventory" && i == 0 {
			f := firmware[b.generation]
			body["Version"], body["Description"] = f.version+" "+f.date, "SystemBMC"
			body["Name"] = fmt.Sprint("iLO ", b.generation)
		}
		return body
	})
}

func component(i int) string {
	names := []string{"iLO", "System ROM", "Redundant System ROM", "Intelligent Provisioning", "Power Management Controller Firmware",
		"System Programmable Logic Device", "Server Platform Services (SPS) Firmware", "Power Supply Firmware", "Ethernet Adapter",
		"Smart Array Controller", "TPM Firmware", "Embedded Video Controller", "Drive"}
	return names[min(i, len(names)-1)]
}

func (b *builder) manager() {
	f := firmware[b.generation]
	b.collection("Managers", "Manager", b.links("Managers/1"))
	ext := obj{"ConfigurationSettings": "Current", "FederationConfig": obj{"MulticastAnnouncementInterval": 600, "iLOFederationManagement": "Enabled"},
		"Firmware": obj{"Current": obj{"Date": f.date, "VersionString": fmt.Sprintf("iLO %d v%s", b.generation, f.version)}},
		"License":  obj{"LicenseString": fmt.Sprintf("iLO %d Advanced", b.generation), "LicenseType": "Perpetual"},
		"Links": obj{"DateTimeService": b.link("Managers/1/DateTime"), "LicenseService": b.link("Managers/1/LicenseService"),
			"ActiveHealthSystem": b.link("Managers/1/ActiveHealthSystem"), "SecurityService": b.link("Managers/1/SecurityService"),
			"FederationGroups": b.link("Managers/1/FederationGroups")}}
	body := obj{"Name": "Manager", "Description": "Manager View", "ManagerType": "BMC", "Model": fmt.Sprint("iLO ", b.generation),
		"Actions":            b.actions("Managers/1", "Manager.Reset"),
		"CommandShell":       obj{"ConnectTypesSupported": []string{"SSH", "Oem"}, "MaxConcurrentSessions": 9, "ServiceEnabled": true},
		"SerialConsole":      obj{"ConnectTypesSupported": []string{"SSH", "IPMI", "Oem"}, "MaxConcurrentSessions": 13, "ServiceEnabled": true},
		"GraphicalConsole":   obj{"ConnectTypesSupported": []string{"KVMIP"}, "MaxConcurrentSessions": 10, "ServiceEnabled": true},
		"FirmwareVersion":    fmt.Sprintf("iLO %d v%s", b.generation, f.version),
		"EthernetInterfaces": b.link("Managers/1/EthernetInterfaces"), "LogServices": b.link("Managers/1/LogServices"),
		"VirtualMedia": b.link("Managers/1/VirtualMedia"), "Status": healthy, "UUID": uuid(2),
		"Links": obj{"ManagerForServers": b.links("Systems/1"), "ManagerForChassis": b.links("Chassis/1")}}
	network := obj{"Name": "Manager Network Service", "HostName": "ilo-sim", "FQDN": "ilo-sim.example",
		"HTTPS": obj{"Port": 443, "ProtocolEnabled": true}, "SSH": obj{"Port": 22, "ProtocolEnabled": true},
		"IPMI": obj{"Port": 623, "ProtocolEnabled": false}, "Status": healthy}
	if b.generation == 4 {
		body["NetworkService"] = b.link("Managers/1/NetworkService")
		network["SessionTimeoutMinutes"] = 30
		b.add("Managers/1/NetworkService", "ManagerNetworkService", network, "PATCH")
		ext["Links"].(obj)["UpdateService"] = b.link("Managers/1/UpdateService")
	} else {
		ext["IdleConnectionTimeoutMinutes"], ext["RequireHostAuthentication"] = 30, false
		ext["PersistentMouseKeyboardEnabled"], ext["VirtualNICEnabled"] = false, false
		body["DateTime"], body["DateTimeLocalOffset"] = "2025-01-01T00:00:00Z", "+00:00"
		body["NetworkProtocol"], body["HostInterfaces"] = b.link("Managers/1/NetworkProtocol"), b.link("Managers/1/HostInterfaces")
		body["Actions"].(obj)["#Manager.Reset"].(obj)["ResetType@Redfish.AllowableValues"] = []string{"ForceRestart", "GracefulRestart"}
		b.add("Managers/1/NetworkProtocol", "ManagerNetworkProtocol", network, "PATCH")
		b.members("Managers/1/HostInterfaces", "HostInterface", 1, number, func(int) obj {
			return obj{"HostInterfaceType": "NetworkHostInterface", "InterfaceEnabled": false, "Name": "Managed Host Network Interface"}
		}, "PATCH")
	}
	body["Oem"] = b.oem("HpeiLO", ext)
	b.add("Managers/1", "Manager", body, "PATCH")
	b.managerParts()
}

// managerParts are the resources below the manager that every iLO has.
func (b *builder) managerParts() {
	b.add("Managers/1/DateTime", "HpeiLODateTime", obj{"DateTime": "2025-01-01T00:00:00Z", "NTPServers": []string{"192.0.2.40", "192.0.2.41"},
		"PropagateTimeToHost": false, "TimeZone": obj{"Index": 2, "Name": "Greenwich Mean Time", "UtcOffset": "+00:00"}}, "PATCH")
	b.add("Managers/1/ActiveHealthSystem", "HpeiLOActiveHealthSystem", obj{"AHSEnabled": true, "Name": "Active Health System"}, "PATCH")
	b.add("Managers/1/SecurityService", "HpeSecurityService", obj{"SecurityState": "Production", "CurrentCipher": "TLS_AES_256_GCM_SHA384",
		"Name": "SecurityService"}, "PATCH")
	b.members("Managers/1/LicenseService", "HpeiLOLicense", 1, number, func(int) obj {
		return obj{"License": "iLO Advanced", "LicenseType": "Perpetual", "Name": "iLO License"}
	}, "DELETE")
	b.members("Managers/1/FederationGroups", "HpeiLOFederationGroup", 1, func(int) string { return "DEFAULT" }, func(int) obj {
		return obj{"Key": nil, "Privileges": obj{"LoginPriv": true, "RemoteConsolePriv": false}}
	}, "PATCH", "DELETE")
	b.members("Managers/1/VirtualMedia", "VirtualMedia", 2, number, func(i int) obj {
		return obj{"Image": "", "Inserted": false, "WriteProtected": true, "ConnectedVia": "NotConnected",
			"MediaTypes": [][]string{{"Floppy", "USBStick"}, {"CD", "DVD"}}[i],
			"Actions":    b.actions(fmt.Sprint("Managers/1/VirtualMedia/", i+1), "VirtualMedia.InsertMedia", "VirtualMedia.EjectMedia")}
	}, "PATCH")
	b.members("Managers/1/EthernetInterfaces", "EthernetInterface", 2, number, func(i int) obj {
		return obj{"MACAddress": mac(i), "PermanentMACAddress": mac(i), "InterfaceEnabled": i == 0, "SpeedMbps": 1000, "FullDuplex": true,
			"HostName": "ilo-sim", "IPv4Addresses": list{obj{"Address": fmt.Sprint("192.0.2.", i+1), "SubnetMask": "255.255.255.0",
				"Gateway": "192.0.2.254", "AddressOrigin": "Static"}}, "Status": healthy}
	}, "PATCH")
}
