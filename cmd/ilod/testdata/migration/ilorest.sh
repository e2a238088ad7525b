# Command lines that HPE has published for its ilorest, each below the address of
# its page. A prompt "iLOrest >" is written "ilorest", pipes into jq are left out.
# "exits N" before a line is its exit code, if that is not 0.

# https://servermanagementportal.ext.hpe.com/docs/redfishclients/ilorest-userguide/usage
ilorest login
ilorest types
ilorest types | grep -i -E "storage|drive|volume"
ilorest types | grep -i thermal
ilorest select Manager.
ilorest select
ilorest get FirmwareVersion
ilorest get --json SerialNumber --selector Chassis.

# https://servermanagementportal.ext.hpe.com/docs/redfishclients/ilorest-userguide/globalcommands
ilorest types --fulltypes
ilorest list Name @odata.id --json --select ComputerSystem
ilorest select drive.v1
ilorest list  "@odata.id"  --json
ilorest list --json --select Manager. > listManager.json
ilorest get  --json --select Manager. > getManager.json
ilorest select Bios.
ilorest list
ilorest get
ilorest get AdminName
ilorest get --select Bios.
ilorest -v list CapacityMiB Name Vend --json
ilorest select ComputerSystem.
ilorest list --json
ilorest list @odata.id Boot/BootSourceOverrideMode AssetTag --select ComputerSystem.
# exits 6
ilorest -vv list foo --select ComputerSystem.
ilorest list CapacityMiB --json --select Memory.
ilorest list CapacityMiB Name --json --select Memory.
ilorest get CapacityMiB Name --json --select Memory.
ilorest info Boot
ilorest get MemorySummary
ilorest get MemorySummary/Status MemorySummary/TotalSystemMemoryGiB AssetTag
ilorest get --noreadonly --select ComputerSystem.
ilorest get AssetTag --logout
ilorest select VirtualMedia.
ilorest info Image WriteProtected
ilorest select Bios.
ilorest set AdminName=JohnDoe
ilorest status
ilorest get AdminName
ilorest select Bios. --refresh
ilorest get AdminName
ilorest set "AdminName=John Doe"
ilorest commit
ilorest save --multisave Bios.,ComputerSystem.
ilorest load

# https://servermanagementportal.ext.hpe.com/docs/redfishclients/ilorest-userguide/advancedusage
ilorest select EthernetInterface.
ilorest list Id @odata.id
ilorest list Id @odata.id --filter "@odata.id=/redfish/v1/Managers/1/EthernetInterfaces/1/"
# exits 25
ilorest list Id @odata.id --filter "@Odata.id=/redfish/v1/Managers/1/"
ilorest list @odata.id Id --filter "@Odata.id=/redfish/v1/Managers/1/*"

# https://servermanagementportal.ext.hpe.com/docs/redfishclients/ilorest-userguide/rawcommands
ilorest rawget --getheaders "/redfish/v1/Systems/1"
ilorest rawhead "/redfish/v1/Systems/1"
ilorest rawget /redfish/v1/Systems/1
ilorest rawget --silent /redfish/v1/Systems/1
ilorest rawget "/redfish/v1/Managers/1/EthernetInterfaces/1" -f ManagerDedicatedPort.json
ilorest rawget /redfish/v1/Chassis
ilorest rawget --expand /redfish/v1/Chassis
ilorest rawpatch rawpatch.json
ilorest get AssetTag --select ComputerSystem.v --refresh
ilorest rawpost rawpost.json
ilorest rawput put.json
ilorest rawdelete /redfish/v1/AccountService/Accounts/3/
ilorest iloreset

# https://servermanagementportal.ext.hpe.com/docs/redfishservices/ilos/supplementdocuments/biosdoc
ilorest rawget --silent '/redfish/v1/systems/1/bios/?$select=Oem/Hpe/Links'

# https://servermanagementportal.ext.hpe.com/docs/concepts/performing_actions
ilorest select Bios.
ilorest rawhead '/redfish/v1/Systems/1/Bios' | grep Allow
ilorest rawhead '/redfish/v1/Systems/1/Bios/Settings' | grep Allow

# https://github.com/HewlettPackard/python-redfish-utility/blob/master/examples/Linux/Get_FW_Version.sh
ilorest select Manager.
ilorest list Oem/Hpe/Firmware/Current/VersionString
ilorest logout

# https://github.com/HewlettPackard/python-redfish-utility/blob/master/examples/Linux/UID_Control.sh
ilorest select ComputerSystem.
ilorest set IndicatorLED=Lit
ilorest logout

# https://github.com/HewlettPackard/python-redfish-utility/blob/master/ilorest/extensions/iLO_COMMANDS/ServerInfoCommand.py
ilorest serverinfo --fans --processors --thermals
ilorest serverinfo

# https://github.com/HewlettPackard/python-redfish-utility/blob/master/examples/Windows/Set_Virtual_Power_BTN.bat
ilorest reboot PushPowerButton
