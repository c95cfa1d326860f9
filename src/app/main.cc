// The program: `tarn COMMAND ...`.
#include "app/command.h"
#include "app/terminal.h"

int main(int count, char** words) {
    tarn::app::BlockStopSignals();
    return tarn::app::RunCommandLine(tarn::SystemEnv(), count, words);
}
