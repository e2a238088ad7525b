package tree

import (
	"fmt"
	"strings"
)

// biosURI is where the BIOS provider lives on every generation, in lower case
// and with a slash (agent/ILO.md §5).
const biosURI = Root + "/systems/1/bios/"

const biosRegistry = "BiosAttributeRegistryU30.v1_2_90"

// attribute is one BIOS setting.
type attribute struct {
	name, display string
	values        []string // empty: free text
}

// attributes are the BIOS settings: real ones in kind, and enough of them to
// make the attribute registry as large as it is in practice.
func attributes() []attribute {
	enabled := []string{"Enabled", "Disabled"}
	all := []attribute{
		{"AdminName", "Server Administrator Name", nil},
		{"AdminPhone", "Server Administrator Phone Number", nil},
		{"ServerAssetTag", "Server Asset Tag", nil},
		{"BootMode", "Boot Mode", []string{"Uefi", "LegacyBios"}},
		{"BootOrderPolicy", "Boot Order Policy", []string{"RetryIndefinitely", "AttemptOnce", "ResetAfterFailed"}},
		{"PowerRegulator", "Power Regulator", []string{"DynamicPowerSavings", "StaticLowPower", "StaticHighPerf", "OsControl"}},
		{"WorkloadProfile", "Workload Profile", []string{"GeneralPowerEfficientCompute", "Virtualization-MaxPerformance", "LowLatency", "Custom"}},
		{"ThermalConfig", "Thermal Configuration", []string{"OptimalCooling", "IncreasedCooling", "MaxCooling"}},
		{"ProcHyperthreading", "Processor Hyper-Threading", enabled},
		{"ProcTurbo", "Processor Turbo Mode", enabled},
		{"ProcVirtualization", "Processor Virtualization Technology", enabled},
		{"Sriov", "SR-IOV", enabled},
		{"SecureBootStatus", "Secure Boot", enabled},
		{"TpmState", "TPM State", []string{"PresentEnabled", "PresentDisabled", "NotPresent"}},
	}
	for slot := 1; slot <= 12; slot++ {
		for _, kind := range []string{"Enable", "OptionROM", "LinkSpeed", "Aspm", "Bifurcation", "NetworkBoot"} {
			all = append(all, attribute{fmt.Sprintf("PciSlot%d%s", slot, kind), fmt.Sprintf("PCIe Slot %d %s", slot, kind),
				[]string{"Auto", "Enabled", "Disabled"}})
		}
	}
	for nic := 1; nic <= 16; nic++ {
		for _, kind := range []string{"Boot", "Vlan", "WakeOnLan", "Sriov", "Speed"} {
			all = append(all, attribute{fmt.Sprintf("NicPort%d%s", nic, kind), fmt.Sprintf("Network port %d %s", nic, kind),
				[]string{"Disabled", "NetworkBoot", "Auto", "Enabled"}})
		}
	}
	for i := 1; i <= 80; i++ {
		all = append(all, attribute{fmt.Sprintf("PlatformOption%02d", i), fmt.Sprintf("Platform Option %02d", i), enabled})
	}
	return all
}

func (b *builder) bios() {
	values := func() obj {
		v := obj{}
		for _, a := range attributes() {
			v[a.name] = ""
			if a.values != nil {
				v[a.name] = a.values[0]
			}
		}
		return v
	}
	body := func(uri string) obj {
		return obj{"@odata.id": uri, "Name": "BIOS Current Settings", "AttributeRegistry": biosRegistry, "Attributes": values()}
	}
	current := body(biosURI)
	current["@Redfish.Settings"] = obj{"@odata.type": "#Settings.v1_0_0.Settings", "ETag": "5349D001",
		"Messages":       list{obj{"MessageId": "Base.1.0.Success"}},
		"SettingsObject": obj{"@odata.id": biosURI + "settings/"}, "Time": "2025-01-01T00:00:00+00:00"}
	current["Actions"] = obj{"#Bios.ResetBios": obj{"target": biosURI + "settings/Actions/Bios.ResetBios/"}}
	b.add("systems/1/bios", "Bios", current)
	pending := body(biosURI + "settings/")
	pending["Name"] = "BIOS Pending Settings"
	pending["Actions"] = current["Actions"]
	b.add("systems/1/bios/settings", "Bios", pending, "PUT", "PATCH")
}

// registry is the registry of the BIOS settings.
func registry() obj {
	var entries list
	for i, a := range attributes() {
		e := obj{"AttributeName": a.name, "DisplayName": a.display, "DisplayOrder": i + 1, "MenuPath": "./SystemOptions", "ReadOnly": false,
			"GrayOut": false, "Hidden": false, "ResetRequired": true, "Type": "String", "MinLength": 0, "MaxLength": 28,
			"HelpText":    strings.Repeat(fmt.Sprintf("Use this option to configure %s. The setting takes effect when the server boots. ", a.display), 4),
			"WarningText": ""}
		if a.values != nil {
			var values list
			for _, v := range a.values {
				values = append(values, obj{"ValueName": v, "ValueDisplayName": v,
					"HelpText": fmt.Sprintf("%s is set to %s by this choice, with the usual consequences for power, performance and boot time.", a.display, v)})
			}
			e["Type"], e["Value"] = "Enumeration", values
		}
		entries = append(entries, e)
	}
	return obj{"@odata.type": "#AttributeRegistry.v1_2_1.AttributeRegistry", "Id": biosRegistry, "Name": "U30 BIOS Attribute Registry",
		"Language": "en", "OwningEntity": "HPE", "RegistryVersion": "1.2.90", "Description": "This registry defines a representation of BIOS Attribute instances",
		"RegistryEntries": obj{"Attributes": entries, "Menus": list{obj{"MenuName": "SystemOptions", "DisplayName": "System Options", "MenuPath": "./SystemOptions"}}}}
}
