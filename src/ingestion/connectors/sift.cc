#include "ingestion/connectors/sift.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "base/crypto.h"
#include "base/number.h"
#include "base/text.h"
#include "ingestion/connectors/gunzip.h"
#include "ingestion/connectors/inference.h"
#include "ingestion/connectors/raw_sql.h"

namespace tarn::connectors {
namespace {

constexpr size_t kSiftBytesMax = 256 << 20;  // of a file, unpacked
constexpr int64_t kNoLimit = int64_t{1} << 40;
constexpr size_t kReasonMax = 200;

struct CsvRecord {
    size_t end = 0;       // after its line's end
    std::string broken;   // why; empty: it is not
    bool empty = false;
};

size_t LineEnd(std::string_view text, size_t at) {
    size_t end = text.find('\n', at);
    return end == std::string_view::npos ? text.size() : end + 1;
}

// One record by RFC 4180: a quote opens at the start of a field, two are one, and after the closing one the field ends.
CsvRecord ReadCsvRecord(std::string_view text, size_t start, char delimiter, size_t columns) {
    size_t fields = 1;
    size_t at = start;
    bool field_start = true;
    std::string why;
    while (at < text.size() && text[at] != '\n') {
        if (field_start && text[at] == '"') {
            size_t close = at + 1;
            while ((close = text.find('"', close)) != std::string_view::npos && text.substr(close + 1, 1) == "\"") {
                close += 2;
            }
            // Without an end it would take the rest of the file: only its first line is given up.
            if (close == std::string_view::npos) return {LineEnd(text, start), "a quote is not closed", false};
            at = close + 1;
            bool ends = at == text.size() || text[at] == delimiter || text[at] == '\n' || text[at] == '\r';
            if (!ends && why.empty()) why = "text after a closing quote";
            field_start = false;
            continue;
        }
        field_start = text[at] == delimiter;
        if (field_start) ++fields;
        ++at;
    }
    CsvRecord record{std::min(at + 1, text.size()), why, false};
    std::string_view whole = text.substr(start, at - start);
    record.empty = Trim(whole).empty();
    if (why.empty() && fields != columns) record.broken = fmt::format("{} fields instead of {}", fields, columns);
    if (record.broken.empty() && !IsUtf8(whole)) record.broken = "it is not UTF-8";
    return record;
}

// The end of a JSON value that starts at `at`: brackets balanced, strings left out.
size_t ValueEnd(std::string_view text, size_t at) {
    int depth = 0;
    bool quoted = false;
    for (; at < text.size(); ++at) {
        char c = text[at];
        if (quoted) {
            if (c == '\\') ++at;
            if (c == '"') quoted = false;
            continue;
        }
        if (c == '"') quoted = true;
        if (c == '{' || c == '[') ++depth;
        bool closes = c == '}' || c == ']';
        if (closes && depth == 0) return at;
        if (closes) --depth;
        if (c == ',' && depth == 0) return at;
    }
    return at;
}

void JudgeJson(std::string_view record, Sifted& sifted) {
    ++sifted.records;
    Result<Json> parsed = ParseJson(record);
    if (parsed.ok() && parsed->is_object()) {
        sifted.good.push_back(record);
        sifted.good_numbers.push_back(sifted.records);
        return;
    }
    std::string why = parsed.ok() ? fmt::format("a record is an object, and this is {}", parsed->type_name())
                                  : parsed.error().message().substr(0, kReasonMax);
    sifted.broken.push_back({sifted.records, std::move(why), std::string(record)});
}

std::string CleanText(const Sifted& sifted, const std::string& format) {
    std::string clean = sifted.header;
    for (std::string_view record : sifted.good) {
        size_t from = clean.size();
        clean += record;
        // Records of a list may stand on several lines; outside of its strings a line's end is only space.
        if (format == "json") std::replace(clean.begin() + static_cast<std::ptrdiff_t>(from), clean.end(), '\n', ' ');
        if (!clean.ends_with('\n')) clean += '\n';
    }
    return clean;
}

std::string FileOf(const LoadObject& object) { return object.origin.value("file", object.key); }

// One file of a load.
class FileSift {
  public:
    FileSift(engine::Engine& engine, LoadWriter& writer, size_t index, int64_t broken_max)
        : engine_(engine), writer_(writer), index_(index), broken_max_(broken_max) {}

    // False if nothing in it is broken: then its trouble is another.
    Result<bool> Run() {
        LoadObject object = writer_.manifest().objects[index_];
        text_ = TRY(writer_.ReadBack(object.key, kSiftBytesMax));
        std::string packing = CompressionOf(object);
        if (packing == "gzip") text_ = TRY(Gunzip(text_, kSiftBytesMax));
        if (packing == "zstd") {
            return Error(ErrorCode::kNotSupported, "broken records are not looked for in files ending in .zst");
        }
        if (object.format == "csv") {
            TRY(FindCsvShape(engine_, object, writer_.manifest()));
            char delimiter = object.delimiter.empty() ? ',' : object.delimiter[0];
            bool header = writer_.manifest().format_options.value("header", true);
            sifted_ = SiftCsv(text_, delimiter, header, object.columns.size(), broken_max_);
        } else {
            sifted_ = SiftJson(text_, broken_max_);
        }
        bool typed = writer_.manifest().format_options.contains("types");
        if (sifted_.broken.empty() && !typed) return false;
        LoadObject clean = object;
        clean.rows = -1;
        clean.origin["sifted_from"] = object.key;
        if (object.format == "json") clean.columns.clear();
        TRY(PutClean(clean));
        TRY(TakeMistyped());
        if (sifted_.broken.empty()) return NothingBroken();
        LoadObject broken;
        broken.format = kBrokenFormat;
        broken.hidden = true;
        broken.rows = static_cast<int64_t>(sifted_.broken.size());
        broken.origin = {{"file", FileOf(object)}, {"sifted_from", object.key}, {"format", object.format}};
        TRY(writer_.PutBytes("broken.json", AsBytes(BrokenText(sifted_.header, sifted_.broken)), std::move(broken)));
        writer_.manifest().objects[index_].hidden = true;
        return true;
    }
    const Sifted& sifted() const { return sifted_; }

  private:
    Result<bool> NothingBroken() {
        TRY(writer_.DropLast());
        return false;
    }
    Status PutClean(LoadObject object) {
        clean_ = CleanText(sifted_, object.format);
        std::string name = object.format == "csv" ? "sifted.csv" : "sifted.json";
        object.columns.clear();
        object.delimiter.clear();
        return writer_.PutBytes(name, AsBytes(clean_), std::move(object));
    }
    // Values that are not of the type that the stream declares.
    Status TakeMistyped() {
        Manifest& manifest = writer_.manifest();
        LoadObject object = manifest.objects.back();
        if (!manifest.format_options.contains("types") || sifted_.good.empty()) return Ok();
        if (object.format == "csv") TRY(FindCsvShape(engine_, object, manifest));
        const Json types = manifest.format_options["types"];
        if (object.format == "json") {
            for (const auto& [name, type] : types.items()) object.columns.push_back({name, "VARCHAR", true, ""});
        }
        int64_t left = broken_max_ - static_cast<int64_t>(sifted_.broken.size()) + 1;
        auto rows = TRY(MistypedRows(engine_, object, manifest, left));
        if (rows.empty()) return Ok();
        std::map<int64_t, std::string> wrong(rows.begin(), rows.end());
        Sifted rest;
        rest.header = sifted_.header;
        rest.records = sifted_.records;
        rest.broken = std::move(sifted_.broken);
        for (size_t i = 0; i < sifted_.good.size(); ++i) {
            auto found = wrong.find(static_cast<int64_t>(i) + 1);
            if (found != wrong.end()) {
                rest.broken.push_back({sifted_.good_numbers[i], found->second, std::string(sifted_.good[i])});
            } else {
                rest.good.push_back(sifted_.good[i]);
                rest.good_numbers.push_back(sifted_.good_numbers[i]);
            }
        }
        std::sort(rest.broken.begin(), rest.broken.end(),
                  [](const BrokenRecord& left, const BrokenRecord& right) { return left.record < right.record; });
        sifted_ = std::move(rest);
        LoadObject again = manifest.objects.back();
        TRY(writer_.DropLast());
        return PutClean(std::move(again));
    }

    engine::Engine& engine_;
    LoadWriter& writer_;
    size_t index_;
    int64_t broken_max_;
    std::string text_;  // unpacked
    std::string clean_;
    Sifted sifted_;  // views into text_
};

struct SiftTotals {
    int64_t records = 0;
    int64_t broken = 0;
    std::string first;  // what is told of the first file
};

Status SiftAll(engine::Engine& engine, const StreamState& state, LoadWriter& writer, const BrokenLimit& limit,
               SiftTotals& totals) {
    const Manifest before = writer.manifest();
    int64_t broken_max = limit.percent >= 0 ? kNoLimit : limit.count;
    for (size_t i = 0; i < before.objects.size() && totals.broken <= broken_max; ++i) {
        const LoadObject& object = before.objects[i];
        bool text = object.format == "csv" || object.format == "json";
        if (!text || object.hidden || !object.apart.empty()) continue;
        Manifest alone = before;
        alone.objects = {object};
        if (object.format == "csv" && InferColumns(engine, state, alone).ok()) {
            totals.records += std::max<int64_t>(alone.rows, 0);
            continue;
        }
        FileSift sift(engine, writer, i, broken_max - totals.broken);
        bool found = TRY_CONTEXT(sift.Run(), FileOf(object));
        totals.records += sift.sifted().records;
        if (!found) continue;
        const BrokenRecord& one = sift.sifted().broken[0];
        std::string what = fmt::format("{} of {} records of {} are broken; record {}: {}", sift.sifted().broken.size(),
                                       sift.sifted().records, FileOf(object), one.record, one.reason);
        writer.manifest().warnings.push_back(what + "; they are in quarantine");
        if (totals.first.empty()) totals.first = what;
        totals.broken += static_cast<int64_t>(sift.sifted().broken.size());
    }
    return Ok();
}

}  // namespace

Sifted SiftCsv(std::string_view text, char delimiter, bool header, size_t columns, int64_t broken_max) {
    Sifted sifted;
    size_t at = 0;
    if (text.starts_with("\xef\xbb\xbf")) at = 3;  // a byte order mark
    if (header) {
        size_t end = ReadCsvRecord(text, at, delimiter, columns).end;
        sifted.header = text.substr(0, end);
        if (!sifted.header.ends_with('\n')) sifted.header += '\n';
        at = end;
    }
    while (at < text.size() && static_cast<int64_t>(sifted.broken.size()) <= broken_max) {
        CsvRecord record = ReadCsvRecord(text, at, delimiter, columns);
        std::string_view whole = text.substr(at, record.end - at);
        at = record.end;
        if (record.empty) continue;
        ++sifted.records;
        if (record.broken.empty()) {
            sifted.good.push_back(whole);
            sifted.good_numbers.push_back(sifted.records);
        } else {
            sifted.broken.push_back({sifted.records, record.broken, std::string(whole)});
        }
    }
    return sifted;
}

Sifted SiftJson(std::string_view text, int64_t broken_max) {
    Sifted sifted;
    size_t at = text.find_first_not_of(" \t\r\n");
    if (at == std::string_view::npos) return sifted;
    bool list = text[at] == '[';
    if (list) ++at;
    while (at < text.size() && static_cast<int64_t>(sifted.broken.size()) <= broken_max) {
        size_t end = list ? ValueEnd(text, at) : LineEnd(text, at);
        std::string_view record = Trim(text.substr(at, end - at));
        if (!record.empty()) JudgeJson(record, sifted);
        if (list && (end >= text.size() || text[end] == ']')) break;
        at = list ? end + 1 : end;
    }
    return sifted;
}

bool BrokenLimit::Allows(int64_t broken, int64_t records) const {
    if (percent >= 0) return static_cast<double>(broken) * 100 <= percent * static_cast<double>(records);
    return broken <= count;
}

Result<BrokenLimit> ParseBrokenLimit(const std::string& text) {
    BrokenLimit limit;
    if (text.empty()) return limit;
    std::string number = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
    double value = 0;
    auto [end, failure] = std::from_chars(number.data(), number.data() + number.size(), value);
    bool percent = text.ends_with('%');
    bool whole = failure == std::errc() && end == number.data() + number.size() && value >= 0;
    if (!whole || (percent && value > 100) || (!percent && !ParseInteger(number))) {
        return Error(ErrorCode::kInvalidArgument, "broken_max is a number of records or a part of them, as 100 or 1%");
    }
    if (percent) {
        limit.percent = value;
    } else {
        limit.count = static_cast<int64_t>(value);
    }
    return limit;
}

Status InferOrSift(engine::Engine& engine, const StreamState& state, LoadWriter& writer, const BrokenLimit& limit,
                   const std::string& on_drift) {
    Manifest before = writer.manifest();
    Status inferred = InferColumns(engine, state, writer.manifest(), on_drift);
    // A list of JSON that holds more than objects is read without complaint: each record is looked at.
    bool json = std::any_of(before.objects.begin(), before.objects.end(),
                            [](const LoadObject& object) { return object.format == "json" && object.apart.empty(); });
    bool broken_file = !inferred.ok() && inferred.error().code() == ErrorCode::kInvalidArgument;
    bool looks = limit.any() && (broken_file || (inferred.ok() && json));
    if (!looks) return inferred;
    Manifest good = std::exchange(writer.manifest(), before);
    SiftTotals totals;
    TRY(SiftAll(engine, state, writer, limit, totals));
    if (totals.broken == 0) {
        writer.manifest() = std::move(good);
        return inferred;
    }
    if (!limit.Allows(totals.broken, totals.records)) {
        return Error(ErrorCode::kInvalidArgument, "more records are broken than broken_max allows: {}", totals.first)
            .WithHint("mend the file, or allow more; nothing of this load was committed");
    }
    return InferColumns(engine, state, writer.manifest(), on_drift);
}

std::string BrokenText(const std::string& header, const std::vector<BrokenRecord>& broken) {
    std::string text = DumpJson(Json{{"header", header}}) + "\n";
    for (const BrokenRecord& one : broken) {
        Json json = {{"record", one.record}, {"reason", one.reason}};
        if (IsUtf8(one.text)) {
            json["text"] = one.text;
        } else {
            json["base64"] = Base64Encode(AsBytes(one.text));
        }
        text += DumpJson(json) + "\n";
    }
    return text;
}

Result<std::vector<BrokenRecord>> ReadBroken(std::string_view content, std::string* header) {
    std::vector<BrokenRecord> records;
    for (const std::string& line : Split(content, '\n')) {
        if (line.empty()) continue;
        Json json = TRY(ParseJson(line));
        if (json.contains("header")) {
            if (header) *header = json["header"].get<std::string>();
            continue;
        }
        BrokenRecord& record = records.emplace_back();
        record.record = TRY(JsonInteger(json, "record"));
        record.reason = TRY(JsonString(json, "reason"));
        record.text = TRY(JsonStringOr(json, "text", ""));
        if (json.contains("base64")) {
            Bytes bytes = TRY(Base64Decode(TRY(JsonString(json, "base64"))));
            record.text = std::string(AsText(bytes));
        }
    }
    return records;
}

}  // namespace tarn::connectors
