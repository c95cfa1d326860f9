#include "storage/catalog/search.h"

#include <algorithm>

#include "base/text.h"

namespace tarn::catalog {
namespace {

constexpr int kWholeName = 100;
constexpr int kStartOfName = 50;
constexpr int kInName = 30;
constexpr int kInSchema = 15;
constexpr int kTag = 20;
constexpr int kColumnName = 12;
constexpr int kInDescription = 6;
constexpr int kInColumnDescription = 3;

bool Contains(const std::string& text, const std::string& word) {
    return ToLower(text).find(word) != std::string::npos;
}

int ScoreOf(const std::string& word, const Dataset& dataset, const std::vector<engine::Column>& columns) {
    int score = 0;
    std::string name = ToLower(dataset.name);
    if (name == word || ToLower(dataset.schema) + "." + name == word) {
        score += kWholeName;
    } else if (name.starts_with(word)) {
        score += kStartOfName;
    } else if (name.find(word) != std::string::npos) {
        score += kInName;
    }
    if (Contains(dataset.schema, word)) score += kInSchema;
    if (Contains(dataset.description, word)) score += kInDescription;
    for (const std::string& tag : dataset.tags) {
        if (Contains(tag, word)) score += kTag;
    }
    for (const engine::Column& column : columns) {
        if (Contains(column.name, word)) score += kColumnName;
        if (Contains(column.description, word)) score += kInColumnDescription;
    }
    return score;
}

}  // namespace

std::vector<std::string> SearchWords(const std::string& text) {
    std::vector<std::string> words;
    for (std::string& word : Split(ToLower(text), ' ')) {
        std::string trimmed(Trim(word));
        if (!trimmed.empty() && words.size() < 16) words.push_back(std::move(trimmed));
    }
    return words;
}

int SearchScore(const std::vector<std::string>& words, const Dataset& dataset,
                const std::vector<engine::Column>& columns) {
    int total = 0;
    for (const std::string& word : words) {
        int score = ScoreOf(word, dataset, columns);
        if (score == 0) return 0;
        total += score;
    }
    return total;
}

}  // namespace tarn::catalog
