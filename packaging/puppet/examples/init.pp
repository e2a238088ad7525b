# Settings of a server, through its own iLO.
ilod_resource { '/redfish/v1/Systems/1/':
  properties => {
    'AssetTag' => 'rack 7',
    'Boot'     => { 'BootSourceOverrideEnabled' => 'Once', 'BootSourceOverrideTarget' => 'Pxe' },
  },
}

ilod_bios { 'settings':
  attributes => { 'BootMode' => 'Uefi', 'AdminName' => 'ops' },
}
