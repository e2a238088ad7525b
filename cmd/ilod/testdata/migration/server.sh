# As ilorest.sh, of what only a real server's tree has.

# https://servermanagementportal.ext.hpe.com/docs/redfishclients/ilorest-userguide/globalcommands
ilorest select Bios.
ilorest get AdminName ServiceName
ilorest set "AdminName=Jason E" ServiceName=ExampleService
ilorest get AdminName ServiceName
ilorest status
ilorest commit
# exits 8
ilorest status
ilorest save --multisave Bios.,ComputerSystem.

# https://servermanagementportal.ext.hpe.com/docs/redfishclients/ilorest-userguide/rawcommands
# exits 63
ilorest --nologo rawget /redfish/v1/Systems/1/Bios/Serverconfiglock

# https://servermanagementportal.ext.hpe.com/docs/concepts/performing_actions
ilorest get Oem/Hpe/Actions --json --selector Manager.
ilorest reboot PressAndHold

# https://servermanagementportal.ext.hpe.com/docs/redfishclients/ilorest-userguide/ilocommands
ilorest get Oem/Hpe/CloudConnect/CloudConnectStatus --select=Manager.

# https://servermanagementportal.ext.hpe.com/docs/redfishservices/ilos/supplementdocuments/vnic
ilorest get Status/State InterfaceEnabled --select HostInterface. --json
ilorest get Oem/Hpe/VirtualNicEnabled --select Manager. --json
ilorest logout
