// The process' surroundings, for commands only: signals, the terminal, the folder of the program.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace tarn::app {

// Call before any thread is made: from then on SIGINT and SIGTERM are waited for, not suffered.
void BlockStopSignals();
// The next one ends the process at once, as it would end any other: for people who do not want to wait for the end.
void AllowStopSignals();
// True when one came within `timeout`.
bool WaitForStopSignal(Duration timeout);
// SIGHUP asks a program without a terminal to reload; with one it means that the terminal is gone, and ends it as ever.
// Like BlockStopSignals before any thread.
void BlockReloadSignal();
bool TakeReloadSignal();  // true when one came since

bool IsTerminal(int descriptor);  // 0, 1, 2
// A line of standard input, without its end; empty at its end. `prompt` is shown on a terminal.
std::optional<std::string> ReadLine(const std::string& prompt);
// As ReadLine, and what is typed is not shown.
std::optional<std::string> ReadHidden(const std::string& prompt);
std::string ReadAllInput(size_t bytes_max);

// Where the program's file lies: its data (extensions, examples) lie beside it.
std::string ProgramDirectory();
// The current directory joined with `path`, without "." and "..".
std::string AbsolutePath(const std::string& path);
int ProcessId();
int64_t OpenFilesMax();
// The permission bits of a file; 0 for one that is not there.
int FileMode(const std::string& path);
// Where a program of that name is found in PATH; empty when it is not.
std::string FindProgram(const std::string& name);
bool IsRoot();
std::optional<std::string> EnvironmentVariable(const char* name);

}  // namespace tarn::app
