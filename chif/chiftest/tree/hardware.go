package tree

import "fmt"

// system is the host: what it computes with, and where it boots from.
func (b *builder) system(size int) {
	const path = "Systems/1"
	b.collection("Systems", "ComputerSystem", b.links(path))
	body := obj{"Name": "Computer System", "Description": "Computer System View", "SystemType": "Physical", "Manufacturer": "HPE",
		"Model": "ProLiant DL380 " + b.server(), "SKU": "SIM380-B21", "SerialNumber": serial, "UUID": uuid(3), "AssetTag": "",
		"HostName": "sim.example", "BiosVersion": "U30 v2.90 (01/01/2025)", "IndicatorLED": "Off", "PowerState": "On", "Status": healthy,
		"Actions": obj{"#ComputerSystem.Reset": obj{"target": b.uri(path + "/Actions/ComputerSystem.Reset"),
			"ResetType@Redfish.AllowableValues": []string{"On", "ForceOff", "GracefulShutdown", "ForceRestart", "Nmi", "PushPowerButton", "GracefulRestart"}}},
		"Boot": obj{"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideMode": "UEFI", "BootSourceOverrideTarget": "None",
			"BootSourceOverrideTarget@Redfish.AllowableValues": []string{"None", "Cd", "Hdd", "Usb", "Pxe", "BiosSetup", "UefiShell"}},
		"MemorySummary":    obj{"TotalSystemMemoryGiB": 32 * between(16, 32, size), "Status": obj{"HealthRollup": "OK"}},
		"ProcessorSummary": obj{"Count": 2, "Model": "Simulated Processor 2.40GHz", "Status": obj{"HealthRollup": "OK"}},
		"Memory":           b.link(path + "/Memory"), "Processors": b.link(path + "/Processors"),
		"EthernetInterfaces": b.link(path + "/EthernetInterfaces"), "LogServices": b.link(path + "/LogServices"),
		"Bios": obj{"@odata.id": biosURI}, "SecureBoot": b.link(path + "/SecureBoot"),
		"Links": obj{"Chassis": b.links("Chassis/1"), "ManagedBy": b.links("Managers/1")}}
	usage := obj{"AvgCPU0Freq": 24, "AvgCPU1Freq": 18, "CPU0Power": 61, "CPU1Power": 58, "CPUICUtil": 1, "CPUUtil": 3, "IOBusUtil": 0,
		"JitterCount": 12, "MemoryBusUtil": 1}
	ext := obj{"PostState": "FinishedPost", "PowerOnMinutes": 50000, "PowerAutoOn": "Restore", "PowerOnDelay": "Minimum",
		"PowerRegulatorMode": "Dynamic", "ServerFQDN": "sim.example", "IntelligentProvisioningIndex": 9,
		"Links": obj{"PCIDevices": b.link(path + "/PCIDevices"), "PCISlots": b.link(path + "/PCISlots")}}
	if b.generation == 4 {
		ext["Links"].(obj)["FirmwareInventory"] = b.link(path + "/FirmwareInventory")
		ext["Links"].(obj)["SmartStorage"] = b.link(path + "/SmartStorage")
	} else {
		ext["CurrentPowerOnTimeSeconds"], ext["SystemUsage"] = 1000000, usage
		ext["DeviceDiscoveryComplete"] = obj{"AMSDeviceDiscovery": "NoAMS", "DeviceDiscovery": "vMainDeviceDiscoveryComplete",
			"ServerFirmwareInventoryComplete": true}
		body["Storage"], body["Boot"].(obj)["BootOptions"] = b.link(path+"/Storage"), b.link(path+"/BootOptions")
	}
	body["Oem"] = b.oem("HpeComputerSystemExt", ext)
	b.add(path, "ComputerSystem", body, "PATCH")
	b.parts(path, size)
	if b.generation == 4 {
		b.smartStorage(size)
		return
	}
	b.members(path+"/BootOptions", "BootOption", between(6, 20, size), number, func(i int) obj {
		return obj{"BootOptionReference": fmt.Sprintf("Boot%04X", i+10), "DisplayName": fmt.Sprint("Boot device ", i+1),
			"UefiDevicePath": fmt.Sprintf("PciRoot(0x%x)/Pci(0x2,0x0)", i%8)}
	})
	b.storage(size)
}

// parts are what the host consists of, apart from its storage.
func (b *builder) parts(path string, size int) {
	b.add(path+"/SecureBoot", "SecureBoot", obj{"SecureBootEnable": false, "SecureBootCurrentBoot": "Disabled", "SecureBootMode": "UserMode",
		"Actions": b.actions(path+"/SecureBoot", "SecureBoot.ResetKeys")}, "PATCH")
	b.members(path+"/Memory", "Memory", between(16, 32, size), func(i int) string {
		return fmt.Sprintf("proc%ddimm%d", i%2+1, i/2+1)
	}, func(i int) obj {
		return obj{"CapacityMiB": 32768, "DataWidthBits": 64, "BusWidthBits": 72, "DeviceLocator": fmt.Sprintf("PROC %d DIMM %d", i%2+1, i/2+1),
			"ErrorCorrection": "MultiBitECC", "MemoryDeviceType": "DDR4", "MemoryType": "DRAM", "OperatingSpeedMhz": 2933, "RankCount": 2,
			"Manufacturer": "Simulated", "SerialNumber": fmt.Sprintf("D%07d", i), "PartNumber": "SIM-32G-2R", "Status": healthy,
			"MemoryLocation": obj{"Channel": i/4 + 1, "MemoryController": i/8 + 1, "Slot": i/2 + 1, "Socket": i%2 + 1},
			"Oem":            b.oem("HpeMemoryExt", obj{"DIMMStatus": "GoodInUse", "MaxOperatingSpeedMTs": 2933, "MinimumVoltageVoltsX10": 12})}
	})
	b.members(path+"/Processors", "Processor", 2, number, func(i int) obj {
		return obj{"ProcessorType": "CPU", "Model": "Simulated Processor 2.40GHz", "Manufacturer": "Simulated", "Socket": fmt.Sprint("Proc ", i+1),
			"MaxSpeedMHz": 4000, "TotalCores": 16, "TotalThreads": 32, "InstructionSet": "x86-64", "ProcessorArchitecture": "x86", "Status": healthy,
			"Oem": b.oem("HpeProcessorExt", obj{"CoresEnabled": 16, "RatedSpeedMHz": 2400, "ExternalClockMHz": 100})}
	})
	adapters := between(2, 6, size)
	b.members(path+"/EthernetInterfaces", "EthernetInterface", 2*adapters, number, func(i int) obj {
		return obj{"MACAddress": mac(16 + i), "SpeedMbps": 25000, "LinkStatus": "LinkUp", "FullDuplex": true, "InterfaceEnabled": true, "Status": healthy}
	})
	slots := between(6, 12, size)
	b.members(path+"/PCISlots", "HpeServerPCISlot", slots, number, func(i int) obj {
		return obj{"BusNumber": 16 * (i + 1), "Length": "Long", "Technology": "PCIExpressGen4", "Status": obj{"OperationalStatus": list{obj{"Status": "Ok"}}}}
	})
	b.members(path+"/PCIDevices", "HpeServerPciDevice", between(8, 40, size), number, func(i int) obj {
		return obj{"BusNumber": 3 + i, "DeviceNumber": i % 32, "FunctionNumber": 0, "ClassCode": 2, "VendorID": 4156, "DeviceID": 4096 + i,
			"DeviceLocation": fmt.Sprint("Slot ", i%slots+1), "StructuredName": fmt.Sprintf("PCI.Slot.%d.1", i%slots+1),
			"UEFIDevicePath": fmt.Sprintf("PciRoot(0x%x)/Pci(0x2,0x0)", i%8)}
	})
}

// smartStorage is the storage of an iLO 4.
func (b *builder) smartStorage(size int) {
	const path = "Systems/1/SmartStorage"
	const controller = path + "/ArrayControllers/0"
	b.add(path, "HpeSmartStorage", obj{"Status": healthy, "Links": obj{"ArrayControllers": b.link(path + "/ArrayControllers")}})
	b.members(path+"/ArrayControllers", "HpeSmartStorageArrayController", 1, func(int) string { return "0" }, func(int) obj {
		return obj{"Model": "Smart Array P440ar Controller", "SerialNumber": serial, "Status": healthy,
			"Links": obj{"PhysicalDrives": b.link(controller + "/DiskDrives")}}
	})
	b.members(controller+"/DiskDrives", "HpeSmartStorageDiskDrive", between(8, 60, size), number, drive)
}

func drive(i int) obj {
	return obj{"CapacityBytes": int64(1200000000000), "CapacityGB": 1200, "MediaType": "HDD", "Protocol": "SAS", "Model": "SIM1200",
		"SerialNumber": fmt.Sprintf("DRV%05d", i), "Revision": "HPD1", "Status": healthy}
}

// storage is the storage of an iLO 5 and later, which a controller provides.
func (b *builder) storage(size int) {
	const path, box = "Systems/1/Storage/DE000000", "Chassis/DE000000"
	n := between(8, 60, size)
	drives := list{}
	for i := range n {
		drives = append(drives, b.link(fmt.Sprint(box, "/Drives/", i+1)))
	}
	b.collection("Systems/1/Storage", "Storage", b.links(path))
	b.add(path, "Storage", obj{"Name": "Simulated RAID controller", "Status": healthy, "Drives": drives, "Drives@odata.count": n,
		"Controllers": b.link(path + "/Controllers"), "Volumes": b.link(path + "/Volumes"),
		"Links": obj{"Enclosures": b.links("Chassis/1", box)}}, "PATCH")
	b.members(path+"/Controllers", "StorageController", 1, func(int) string { return "0" }, func(int) obj {
		return obj{"Model": "Simulated RAID controller", "FirmwareVersion": "5.32", "SerialNumber": serial, "SpeedGbps": 22.5,
			"SupportedDeviceProtocols": []string{"SAS", "SATA", "NVMe"}, "Status": healthy}
	})
	b.members(path+"/Volumes", "Volume", 1, number, func(int) obj {
		return obj{"CapacityBytes": int64(1200000000000), "RAIDType": "RAID1", "Status": healthy,
			"Links": obj{"Drives": drives[:2]}}
	}, "PATCH", "DELETE")
	b.add(box, "Chassis", obj{"ChassisType": "StorageEnclosure", "Model": "8 SFF backplane", "Manufacturer": "HPE", "Status": healthy,
		"Drives": b.link(box + "/Drives"), "Links": obj{"ContainedBy": b.link("Chassis/1"), "Storage": b.links(path)}})
	b.members(box+"/Drives", "Drive", n, number, drive)
}

// chassis is the box: what cools it, feeds it and plugs into it.
func (b *builder) chassis(size int) {
	const path = "Chassis/1"
	boxes := []string{path}
	body := obj{"Name": "Computer System Chassis", "ChassisType": "RackMount", "Manufacturer": "HPE", "Model": "ProLiant DL380 " + b.server(),
		"SKU": "SIM380-B21", "SerialNumber": serial, "PowerState": "On", "IndicatorLED": "Off", "Status": healthy,
		"Thermal": b.link(path + "/Thermal"), "Power": b.link(path + "/Power"),
		"Links": obj{"ComputerSystems": b.links("Systems/1"), "ManagedBy": b.links("Managers/1")},
		"Oem": b.oem("HpeServerChassis", obj{"ElConfigOverride": false,
			"Firmware": obj{"PowerManagementController": obj{"Current": obj{"VersionString": "1.0.8"}}}})}
	if b.generation > 4 {
		boxes = append(boxes, "Chassis/DE000000")
		body["NetworkAdapters"], body["PCIeDevices"] = b.link(path+"/NetworkAdapters"), b.link(path+"/PCIeDevices")
	}
	b.collection("Chassis", "Chassis", b.links(boxes...))
	b.add(path, "Chassis", body, "PATCH")
	fans, temperatures, supplies := list{}, list{}, list{}
	part := func(name string, i int) string { return fmt.Sprintf("%s#%s/%d", b.uri(path+"/Thermal"), name, i) }
	for i := range 6 {
		fans = append(fans, obj{"@odata.id": part("Fans", i), "MemberId": fmt.Sprint(i), "Name": fmt.Sprint("Fan ", i+1), "Reading": 20 + i,
			"ReadingUnits": "Percent", "Status": healthy, "Oem": b.oem("HpeServerFan", obj{"HotPluggable": true, "Location": "System", "Redundant": true})})
	}
	for i := range between(30, 60, size) {
		temperatures = append(temperatures, obj{"@odata.id": part("Temperatures", i), "MemberId": fmt.Sprint(i), "Name": fmt.Sprintf("%02d-Sensor", i+1),
			"ReadingCelsius": 22 + i%30, "SensorNumber": i + 1, "UpperThresholdCritical": 75, "UpperThresholdFatal": 80, "Status": healthy,
			"PhysicalContext": []string{"Intake", "CPU", "SystemBoard"}[i%3],
			"Oem":             b.oem("HpeSeaOfSensors", obj{"LocationXmm": i % 16, "LocationYmm": i / 16})})
	}
	b.add(path+"/Thermal", "Thermal", obj{"Name": "Thermal", "Fans": fans, "Temperatures": temperatures})
	for i := range 2 {
		supplies = append(supplies, obj{"@odata.id": fmt.Sprintf("%s#PowerSupplies/%d", b.uri(path+"/Power"), i), "MemberId": fmt.Sprint(i),
			"Name": "HpeServerPowerSupply", "PowerCapacityWatts": 800, "LastPowerOutputWatts": 90 + i, "LineInputVoltage": 230,
			"PowerSupplyType": "AC", "SerialNumber": fmt.Sprint("PSU0000", i), "FirmwareVersion": "1.00", "Status": healthy,
			"Oem": b.oem("HpeServerPowerSupply", obj{"BayNumber": i + 1, "HotplugCapable": true, "PowerSupplyStatus": obj{"State": "Ok"}})})
	}
	b.add(path+"/Power", "Power", obj{"Name": "PowerMetrics", "PowerSupplies": supplies,
		"PowerControl": list{obj{"@odata.id": b.uri(path+"/Power") + "#PowerControl/0", "MemberId": "0", "PowerCapacityWatts": 1600,
			"PowerConsumedWatts": 181, "PowerMetrics": obj{"AverageConsumedWatts": 180, "IntervalInMin": 20, "MaxConsumedWatts": 250, "MinConsumedWatts": 160}}},
		"Oem": b.oem("HpePowerMetricsExt", obj{"HasPowerMetering": true, "Links": obj{"PowerMeter": b.link(path + "/Power/PowerMeter")}})}, "PATCH")
	samples := list{}
	for i := range 288 {
		samples = append(samples, obj{"Average": 170 + i%20, "Minimum": 160 + i%10, "Peak": 190 + i%40, "CpuUtil": i % 9, "AmbTemp": 21,
			"Time": fmt.Sprintf("2025-01-01T%02d:%02d:00Z", i/12, i%12*5)})
	}
	b.add(path+"/Power/PowerMeter", "HpePowerMeter", obj{"Average": 180, "Maximum": 250, "Minimum": 160, "Samples": 288, "PowerDetail": samples})
	if b.generation > 4 {
		b.adapters(path, size)
	}
}

// adapters are the network adapters and the other PCIe devices.
func (b *builder) adapters(chassis string, size int) {
	id := func(i int) string { return fmt.Sprintf("DE08%d000", i) }
	n := between(2, 6, size)
	b.members(chassis+"/NetworkAdapters", "NetworkAdapter", n, id, func(i int) obj {
		return obj{"Manufacturer": "Simulated", "Model": "2-port 25Gb adapter", "SerialNumber": fmt.Sprintf("NIC%05d", i), "Status": healthy,
			"Ports": b.link(chassis + "/NetworkAdapters/" + id(i) + "/Ports")}
	}, "PATCH")
	for i := range n {
		b.members(chassis+"/NetworkAdapters/"+id(i)+"/Ports", "Port", 2, number, func(port int) obj {
			return obj{"CurrentSpeedGbps": 25, "LinkStatus": "LinkUp", "PortProtocol": "Ethernet", "PortType": "BidirectionalPort", "Status": healthy,
				"Ethernet": obj{"AssociatedMACAddresses": []string{mac(16 + 2*i + port)}}}
		}, "PATCH")
	}
	devices := between(6, 40, size)
	b.members(chassis+"/PCIeDevices", "PCIeDevice", devices, number, func(i int) obj {
		return obj{"DeviceType": "SingleFunction", "Manufacturer": "Simulated", "Model": fmt.Sprint("PCIe device ", i+1), "Status": healthy,
			"PCIeFunctions": b.link(fmt.Sprint(chassis, "/PCIeDevices/", i+1, "/PCIeFunctions"))}
	})
	for i := range devices {
		b.members(fmt.Sprint(chassis, "/PCIeDevices/", i+1, "/PCIeFunctions"), "PCIeFunction", 1, number, func(int) obj {
			return obj{"FunctionId": 0, "FunctionType": "Physical", "ClassCode": "0x020000", "VendorId": "0x103C", "DeviceId": fmt.Sprintf("0x%04X", 0x1000+i)}
		})
	}
}
