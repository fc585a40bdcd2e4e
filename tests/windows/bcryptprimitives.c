/* The system's random numbers, by the name that Rust's standard library asks for; Wine 8 does not have it. */
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE into, SIZE_T size) { return SystemFunction036(into, (ULONG)size); }
