// The program: `tarn COMMAND ...`.
#include "app/command.h"
#include "app/terminal.h"
#include "base/process_sandbox.h"

int main(int count, char** words) {
    // Before anything of the platform: the keeper of sandboxes shall know nothing (base/process_sandbox.h).
    if (count == 2 && words[1] == tarn::kSandboxKeeperWord) return tarn::SandboxKeeper();
    tarn::app::BlockStopSignals();
    return tarn::app::RunCommandLine(tarn::SystemEnv(), count, words);
}
