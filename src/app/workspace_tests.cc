#include "app/workspace_tests.h"

#include <algorithm>

#include "app/git_ref.h"
#include "base/text.h"
#include "engine/given_rows.h"

namespace tarn::app {
namespace {

using Annotations = std::map<std::string, catalog::Annotation>;

void Remove(std::vector<std::string>& tags, const std::vector<std::string>& gone) {
    std::erase_if(tags, [&](const auto& tag) { return std::find(gone.begin(), gone.end(), tag) != gone.end(); });
}

// The tags in force, with those that the folder declares in place of those that are applied.
class FolderFacts : public security::TableFacts {
  public:
    FolderFacts(const catalog::Catalog& applied, Annotations before, Annotations after,
                const workspace::Renames& renames = {})
        : applied_(applied), before_(std::move(before)), after_(std::move(after)) {
        for (const auto& [from, to] : workspace::NewNames(renames).Datasets()) old_names_[to] = from;
    }
    security::TableTags TagsOf(const std::string& table) const override {
        auto old = old_names_.find(table);
        const std::string& known_as = old == old_names_.end() ? table : old->second;
        security::TableTags tags = applied_.TagsOf(known_as);
        if (auto before = before_.find(known_as); before != before_.end()) {
            for (const auto& [column, gone] : before->second.column_tags) Remove(tags.columns[ToLower(column)], gone);
        }
        auto after = after_.find(table);
        tags.tags = after == after_.end() ? std::vector<std::string>() : after->second.tags;
        if (after == after_.end()) return tags;
        for (const std::string& column : after->second.declassified) tags.columns[ToLower(column)].clear();
        for (const auto& [column, declared] : after->second.column_tags) {
            auto& list = tags.columns[ToLower(column)];
            list.insert(list.end(), declared.begin(), declared.end());
        }
        return tags;
    }
    std::string TableOfObject(std::string_view object) const override { return applied_.TableOfObject(object); }
    uint64_t facts_epoch() const override { return applied_.facts_epoch(); }

  private:
    const catalog::Catalog& applied_;
    Annotations before_;
    Annotations after_;
    std::map<std::string, std::string> old_names_;  // of datasets
};

}  // namespace

void CheckRenames(Components& parts, const workspace::LoadedWorkspace& loaded, workspace::Issues& issues) {
    FolderFacts facts(*parts.catalog, batch::Batch::AnnotationsOf(parts.workspace->Applied()),
                      batch::Batch::AnnotationsOf(loaded.definitions), loaded.renames);
    parts.identity->CheckRenames(loaded, facts, issues);
}

identity::PolicyTestSupport MakePolicyTestSupport(Components& parts) {
    identity::PolicyTestSupport support;
    support.facts = [&parts](const std::vector<workspace::Definition>& all) {
        return std::make_unique<FolderFacts>(*parts.catalog, batch::Batch::AnnotationsOf(parts.workspace->Applied()),
                                             batch::Batch::AnnotationsOf(all));
    };
    support.difference = [&parts](const std::string& table, const Json& given, const Json& expected,
                                  const security::Obligations& obligations) -> Result<std::string> {
        size_t dot = table.find('.');
        std::string schema = table.substr(0, dot);
        std::string name = table.substr(dot + 1);
        auto tester = security::Principal::System("policy test");
        std::vector<engine::Column> columns;
        if (auto stored = parts.catalog->Find(tester, schema, name, {}); stored.ok()) columns = stored->columns;
        engine::Relation relation = TRY(engine::GivenRelation(given, columns));
        relation.obligations = obligations;
        auto session = TRY(parts.engine->OpenSession({.principal = tester}));
        TRY(session->Substitute(schema, name, std::move(relation)));
        std::string select = fmt::format("SELECT * FROM {}.{}", QuoteIdentifier(schema), QuoteIdentifier(name));
        return engine::RowsDiffer(*session, select, expected);
    };
    return support;
}

// The folder as it is, not what is applied: what is wrong is known before it runs.
Result<HttpResponse> TestWorkspace(Components& parts, Env& env, security::HttpCall& call) {
    Json body = TRY(call.JsonBody());
    workspace::TestOptions options;
    options.pattern = TRY(JsonStringOr(body, "pattern", ""));
    options.sample_rows = TRY(JsonIntegerOr(body, "sample_rows", options.sample_rows));
    workspace::LoadedWorkspace loaded = TRY(LoadAt(parts, env, TRY(JsonStringOr(body, "ref", ""))));
    if (!loaded.issues.empty()) {
        return Error(ErrorCode::kInvalidArgument, "{}", FormatIssues(loaded.issues))
            .WithHint("nothing was tested; mend these and test again");
    }
    Json results = Json::array();
    std::vector<std::string> read;
    std::map<std::string, int> counts = {{"passed", 0}, {"failed", 0}, {"skipped", 0}};
    for (const workspace::Kind& kind : parts.workspace->kinds()) {
        if (!kind.test) continue;
        for (const workspace::TestResult& result : TRY(kind.test(call.principal, loaded.definitions, options))) {
            ++counts[result.state];
            if (result.kind == "sample" && result.state != "skipped") read.push_back(result.file);
            results.push_back({{"kind", result.kind},
                               {"name", result.name},
                               {"file", result.file},
                               {"line", result.line},
                               {"state", result.state},
                               {"message", result.message}});
        }
    }
    call.call.details["failed"] = counts["failed"];
    call.call.details["sampled"] = read;
    Json answer(counts);
    answer["results"] = std::move(results);
    return security::JsonResponse(answer);
}

}  // namespace tarn::app
