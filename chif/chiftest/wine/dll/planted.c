/* A library that nobody should load: it leaves a file beside itself when somebody does. */
#include <windows.h>

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved) {
	char name[MAX_PATH + 8];
	(void)reserved;
	if (reason == DLL_PROCESS_ATTACH && GetModuleFileNameA(self, name, MAX_PATH)) {
		lstrcatA(name, ".loaded");
		CloseHandle(CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL));
	}
	return TRUE;
}
