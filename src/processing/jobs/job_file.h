// The file of a job, read into a JobDefinition, and the scripts beside it.
#pragma once

#include "processing/jobs/jobs.h"

namespace tarn::jobs {

// A script that a job's file names: its text is the definition's.
struct ScriptFile {
    std::string file;
};

// Fills definition.value with a JobDefinition. Issues have the line and column in the file.
void ParseJobFile(engine::Engine& engine, workspace::Definition& definition, workspace::Issues& issues);
void ParseScriptFile(workspace::Definition& definition, workspace::Issues& issues);
// Names that are unknown, and circles, each with file and line.
void ValidateJobs(const std::vector<workspace::Definition>& all, workspace::Issues& issues);
std::vector<ConfigKeyDoc> JobKeys();

// The jobs of a workspace with their scripts in `code`.
std::vector<JobDefinition> CollectJobs(const std::vector<workspace::Definition>& all);
std::vector<orchestrator::TaskSpec> TasksOf(const std::vector<JobDefinition>& jobs,
                                            const std::vector<workspace::Definition>& all);

}  // namespace tarn::jobs
