@echo off
rem Runs a file of ilod's commands in one session on the iLO.
rem usage: ilod-batch.cmd [FILE]     default: deploy.ilod beside this script
rem It returns the exit code of 'ilod batch'.
setlocal
set "ilod=%~dp0"
set "batch=%~1"
if not defined batch set "batch=%ilod%deploy.ilod"
if exist "%ilod%driver" for /r "%ilod%driver" %%f in (*.inf) do drvload "%%f"
set tries=0
:batch
"%ilod%ilod.exe" batch "%batch%"
set code=%errorlevel%
rem 34: no channel, so nothing was sent. The device may still appear.
set /a tries=tries+1
if not %code%==34 exit /b %code%
if %tries%==10 exit /b %code%
rem Windows PE has no timeout.exe.
ping -n 4 127.0.0.1 >nul
goto batch
