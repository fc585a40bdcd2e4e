/* Starts a program in a process group of its own, sends it Ctrl-Break once it has printed a line, and again if there is
   a first argument "twice"; ends as the program did. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

int main(int count, char **words) {
    int twice = count > 1 && !strcmp(words[1], "twice");
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE from, to;
    STARTUPINFOA start = {sizeof start};
    PROCESS_INFORMATION process;
    char line[4096];
    DWORD read, code;

    if (!CreatePipe(&from, &to, &inherited, 0)) return 101;
    SetHandleInformation(from, HANDLE_FLAG_INHERIT, 0);
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdInput = GetStdHandle(STD_INPUT_HANDLE);
    start.hStdOutput = to;
    start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
    if (!CreateProcessA(NULL, words[count - 1], NULL, NULL, TRUE, CREATE_NEW_PROCESS_GROUP, NULL, NULL, &start, &process))
        return 102;
    CloseHandle(to);
    if (ReadFile(from, line, sizeof line, &read, NULL)) {
        fwrite(line, 1, read, stdout);
        GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, process.dwProcessId);
        if (twice) GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, process.dwProcessId);
    }
    while (ReadFile(from, line, sizeof line, &read, NULL) && read) fwrite(line, 1, read, stdout);
    if (WaitForSingleObject(process.hProcess, 60000)) return 103;
    GetExitCodeProcess(process.hProcess, &code);
    return (int)code;
}
