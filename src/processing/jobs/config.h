// What tarn.yaml says of jobs.
#pragma once

#include <string>
#include <vector>

#include "base/config.h"

namespace tarn::jobs {

struct JobsConfig {
    std::string python;
    std::string rscript;
    std::vector<std::string> paths;
};

inline void Bind(ConfigBinder& binder, JobsConfig& config) {
    binder.Key("python", config.python, "Python of `python:` jobs; else python3 of /usr/local/bin or /usr/bin.");
    binder.Key("rscript", config.rscript, "Rscript of `r:` jobs; else that of /usr/local/bin or /usr/bin.");
    binder.Key("paths", config.paths,
               "Further files and folders of this machine that jobs may read (a virtual environment); /usr they see.");
    if (binder.describing()) return;
    for (const std::string& path : config.paths) {
        if (!path.starts_with("/") || path == "/") binder.Report("paths", "\"" + path + "\" is no path from the root");
    }
}

}  // namespace tarn::jobs
