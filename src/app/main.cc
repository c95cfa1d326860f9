// The program: `tarn COMMAND ...`.
#include <iostream>

#include "analysis/reports/draw.h"
#include "app/command.h"
#include "app/terminal.h"
#include "base/process_sandbox.h"

namespace {

// Inside of a sandbox: draws what lies there (analysis/reports/draw.h).
int DrawReport() {
    auto drawn = tarn::reports::DrawInSandbox(tarn::SystemEnv());
    std::cout << tarn::reports::DrawnHead(drawn) << (drawn.ok() ? *drawn : std::string()) << std::flush;
    return drawn.ok() ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
    // Before anything of the platform: the keeper of sandboxes shall know nothing (base/process_sandbox.h).
    if (count == 2 && words[1] == tarn::kSandboxKeeperWord) return tarn::SandboxKeeper();
    if (count == 2 && words[1] == tarn::reports::kDrawWord) return DrawReport();
    tarn::app::BlockStopSignals();
    return tarn::app::RunCommandLine(tarn::SystemEnv(), count, words);
}
