#include "app/command.h"
namespace tarn::app {
std::vector<Command> WorkspaceCommands() { return {}; }
std::vector<Command> SqlCommands() { return {}; }
std::vector<Command> LakeCommands() { return {}; }
std::vector<Command> PeopleCommands() { return {}; }
std::vector<Command> OfflineCommands() { return {}; }
}
