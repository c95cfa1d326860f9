#include "processing/batch/use_case_file.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "processing/batch/batch.h"
#include "workspace/rename.h"

namespace tarn::batch {

struct UseCaseFile {
    std::string description;
    std::string owner;
    std::string renamed_from;
    std::vector<std::string> tags;
    std::vector<std::string> imports;
    int imports_line = 1;
};

void Bind(ConfigBinder& binder, UseCaseFile& file) {
    binder.Key("description", file.description, "What the use case is for.");
    binder.Key("owner", file.owner, "Who answers for it.");
    binder.Key("renamed_from", file.renamed_from,
               "The name that the folder had: all that lies in it takes over what is kept under that.");
    binder.Key("tags", file.tags, "Tags of the use case.");
    binder.Key("imports", file.imports, "Tables of other use cases that its tables may read, as use_case.table.");
    if (binder.describing()) return;
    file.imports_line = std::max(1, binder.LineOf("imports"));
    for (const std::string& import : file.imports) {
        if (std::count(import.begin(), import.end(), '.') == 1) continue;
        binder.Report("imports", fmt::format("\"{}\" is not a table: write use_case.table", import));
    }
}

std::vector<ConfigKeyDoc> UseCaseKeys() { return DescribeConfig<UseCaseFile>(); }

void ParseUseCaseFile(workspace::Definition& definition, workspace::Issues& issues) {
    UseCaseFile file;
    auto found = ReadConfig(definition.text, definition.file, 1, [&](ConfigBinder& binder) { Bind(binder, file); });
    issues.insert(issues.end(), found.begin(), found.end());
    definition.description = file.description;
    definition.owner = file.owner;
    workspace::AskForRename(definition, file.renamed_from);
    definition.tags = file.tags;
    definition.value = UseCaseDefinition{definition.name, file.imports, definition.file, file.imports_line};
}

void ValidateUseCases(const std::vector<workspace::Definition>& all, workspace::Issues& issues) {
    std::set<std::string> tables;
    for (const workspace::Definition& definition : all) {
        if (std::any_cast<TableDefinition>(&definition.value)) tables.insert(definition.name);
    }
    for (const workspace::Definition& definition : all) {
        const auto* use_case = std::any_cast<UseCaseDefinition>(&definition.value);
        if (!use_case) continue;
        for (const std::string& import : use_case->imports) {
            std::string schema = import.substr(0, import.find('.'));
            std::string message;
            if (schema == use_case->name || schema.starts_with("raw_")) {
                message = fmt::format(
                    "imports: {} needs no import: raw data and its own tables a use case reads anyway", import);
            } else if (!tables.contains(import)) {
                message = fmt::format("imports: nothing defines {}", import);
                std::string nearest = NearestWord(import, {tables.begin(), tables.end()});
                if (!nearest.empty()) message += fmt::format("; did you mean {}?", nearest);
            }
            if (!message.empty()) issues.push_back({use_case->file, use_case->imports_line, 1, std::move(message)});
        }
    }
}

}  // namespace tarn::batch
