// The lake: ls, get, put.
#include <iostream>

#include "app/client.h"
#include "app/command.h"
#include "app/output.h"
#include "app/terminal.h"
#include "base/file_stream.h"
#include "base/text.h"

namespace tarn::app {
namespace {

// "bucket/some/key" -> "/api/v1/lake/bucket/some/key".
std::string ApiPath(const std::string& path) { return "/api/v1/lake/" + UrlEncode(path, true); }

Status ListPath(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string path = call.Get("PATH");
    if (path.empty()) {
        Json answer = TRY(client.Get("/api/v1/lake"));
        if (call.json())
            std::cout << DumpJson(answer, 2) << "\n";
        else
            PrintObjects(std::cout, answer["buckets"], {"name", "created_at"});
        return Ok();
    }
    size_t slash = path.find('/');
    std::string bucket = path.substr(0, slash);
    std::string prefix = slash == std::string::npos ? "" : path.substr(slash + 1);
    std::string after;
    Json all = {{"objects", Json::array()}, {"prefixes", Json::array()}};
    while (true) {
        Json page = TRY(client.Get(ApiPath(bucket) + "?prefix=" + UrlEncode(prefix) + "&after=" + UrlEncode(after)));
        for (const char* member : {"objects", "prefixes"}) {
            for (Json& item : page[member]) all[member].push_back(std::move(item));
        }
        if (!page["next_after"].is_string()) break;
        after = page["next_after"].get<std::string>();
    }
    if (call.json()) return std::cout << DumpJson(all, 2) << "\n", Ok();
    for (const Json& folder : all["prefixes"]) std::cout << folder.get<std::string>() << "\n";
    PrintObjects(std::cout, all["objects"], {"key", "bytes", "modified_at"});
    return Ok();
}

Status GetObject(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string path = call.Get("PATH");
    std::string file = call.Find("FILE").value_or(path.substr(path.rfind('/') + 1));
    if (file == "-") {
        StandardOutput output;
        return client.Download(ApiPath(path), output);
    }
    if (path.find('/') == std::string::npos || file.empty()) {
        return Error(ErrorCode::kInvalidArgument, "\"{}\" names no object", path)
            .WithHint("write bucket/key; `tarn ls` lists them");
    }
    std::string target = AbsolutePath(file);
    auto sink = TRY(FileReplacement::Create(call.env().files(), target, 0644));
    TRY(client.Download(ApiPath(path), *sink));
    TRY(sink->Finish());
    if (call.json())
        std::cout << DumpJson({{"file", target}}, 2) << "\n";
    else
        std::cout << target << "\n";
    return Ok();
}

Status PutObject(const Invocation& call) {
    Client client = TRY(Client::Find(call));
    std::string file = AbsolutePath(call.Get("FILE"));
    std::string path = call.Get("PATH");
    if (path.find('/') == std::string::npos) path += "/";
    if (path.ends_with("/")) path += file.substr(file.rfind('/') + 1);
    FileEntry entry = TRY(call.env().files().Stat(file));
    FileReader source(TRY(call.env().files().Open(file)));
    Json answer = TRY(client.Upload(ApiPath(path), source, entry.bytes));
    if (call.json())
        std::cout << DumpJson(answer, 2) << "\n";
    else
        std::cout << path << "  " << FormatSize(answer.value("bytes", int64_t{0})) << "\n";
    return Ok();
}

}  // namespace

std::vector<Command> LakeCommands() {
    return {
        {.name = "ls",
         .summary = "Lists buckets, or what lies below a path in one.",
         .example = "tarn ls raw/flights/",
         .arguments = {{"PATH", "bucket/prefix; buckets if not given.", false}},
         .run = ListPath},
        {.name = "get",
         .summary = "Fetches an object of the lake into a file.",
         .example = "tarn get raw/flights/flights/00000000000000000001/000000-2013-01.csv.gz",
         .arguments = {{"PATH", "bucket/key."},
                       {"FILE", "Where to, `-` for standard output; the key's last part if not given.", false}},
         .run = GetObject},
        {.name = "put",
         .summary = "Puts a file into the lake. The bucket is made if it is not there.",
         .example = "tarn put report.pdf mine/reports/",
         .arguments = {{"FILE", "The file."}, {"PATH", "bucket/key, or bucket/prefix/ to keep the file's name."}},
         .run = PutObject},
    };
}

}  // namespace tarn::app
