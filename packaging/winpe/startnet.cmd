@echo off
rem Windows PE runs this if there is no winpeshl.ini.
wpeinit
call "%SystemDrive%\ilod\ilod-batch.cmd"
if not errorlevel 1 wpeutil reboot
