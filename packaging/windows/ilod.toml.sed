# Changes packaging/ilod.toml for Windows.
s|See ilod(1)\.|See CONFIGURATION.md.\n# ilod reads C:\\ProgramData\\ilod\\ilod.toml, which only administrators may own.|
s|"/var/lib/ilod"|'C:\\ProgramData\\ilod\\state'|
s|"/run/ilod"|'C:\\ProgramData\\ilod\\run'|
s|"/run/ilod/ilod.sock"|'\\\\.\\pipe\\ilod'|
s|; the service reads /etc/credstore/ilo-credentials||
s|the journal or text; text|text|
