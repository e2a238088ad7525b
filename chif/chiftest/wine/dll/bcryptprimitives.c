/*
 * The one function of bcryptprimitives.dll that Go's runtime needs. Wine has that
 * library from version 8.1 on, Debian 12 has 8.0.
 */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length); /* RtlGenRandom */

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T length) {
	while (length > 0) {
		ULONG part = length > 1 << 28 ? 1 << 28 : (ULONG)length;
		if (!SystemFunction036(buffer, part))
			return FALSE;
		buffer += part, length -= part;
	}
	return TRUE;
}
