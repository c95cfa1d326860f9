#include "ingestion/registry/protobuf_schema.h"

#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>

#include "base/bytes.h"
#include "base/text.h"

namespace tarn::registry {
namespace {

namespace pb = google::protobuf;

constexpr int kBracketsMax = 64;

// What libprotobuf says of a text or of its meaning; the first problem is told.
class Problems : public pb::io::ErrorCollector, public pb::DescriptorPool::ErrorCollector {
  public:
    void AddError(int line, pb::io::ColumnNumber column, const std::string& message) override {
        Note(fmt::format("line {}, column {}: {}", line + 1, column + 1, message));
    }
    void AddError(const std::string&, const std::string& element, const pb::Message*, ErrorLocation,
                  const std::string& message) override {
        Note(element.empty() ? message : fmt::format("{}: {}", element, message));
    }
    Error Told() const { return {ErrorCode::kInvalidArgument, first_.empty() ? "this is no .proto file" : first_}; }
    bool any() const { return !first_.empty(); }

  private:
    void Note(std::string message) {
        if (first_.empty()) first_ = std::move(message);
    }
    std::string first_;
};

// libprotobuf follows nested messages as deep as they are.
Status CheckNesting(const std::string& text) {
    pb::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
    Problems problems;
    pb::io::Tokenizer tokens(&input, &problems);
    int depth = 0;
    while (tokens.Next()) {
        const std::string& token = tokens.current().text;
        if (token == "{" || token == "[" || token == "(" || token == "<") ++depth;
        if (token == "}" || token == "]" || token == ")" || token == ">") --depth;
        if (depth > kBracketsMax) {
            return Error(ErrorCode::kInvalidArgument, "line {}: nested more than {} deep", tokens.current().line + 1,
                         kBracketsMax);
        }
    }
    return Ok();
}

Result<pb::FileDescriptorProto> ReadText(const std::string& text) {
    // Its own log is the standard error; what it has to say of somebody's text is for that person.
    [[maybe_unused]] static pb::LogHandler* const kBefore = pb::SetLogHandler(nullptr);
    TRY(CheckNesting(text));
    pb::io::ArrayInputStream input(text.data(), static_cast<int>(text.size()));
    Problems problems;
    pb::io::Tokenizer tokens(&input, &problems);
    pb::compiler::Parser parser;
    parser.RecordErrorsTo(&problems);
    pb::FileDescriptorProto file;
    if (!parser.Parse(&tokens, &file) || problems.any()) return problems.Told();
    // As protoc does for files that don't say.
    if (file.syntax().empty()) file.set_syntax("proto2");
    return file;
}

Result<pb::FileDescriptorProto> Read(const std::string& text) {
    auto read = ReadText(text);
    if (read.ok()) return read;
    auto bytes = Base64Decode(std::string(Trim(text)));
    pb::FileDescriptorProto file;
    bool is_message = bytes.ok() && !bytes->empty() &&
                      file.ParseFromArray(bytes->data(), static_cast<int>(bytes->size())) &&
                      (file.message_type_size() + file.enum_type_size() + file.dependency_size() > 0);
    if (!is_message) return read;
    return file;
}

// Files of google/protobuf come with the library.
bool AddKnown(pb::DescriptorPool& pool, const std::string& name) {
    if (pool.FindFileByName(name)) return true;
    const pb::FileDescriptor* known = pb::DescriptorPool::generated_pool()->FindFileByName(name);
    if (!name.starts_with("google/protobuf/") || !known) return false;
    for (int i = 0; i < known->dependency_count(); ++i) AddKnown(pool, std::string(known->dependency(i)->name()));
    pb::FileDescriptorProto copy;
    known->CopyTo(&copy);
    return pool.BuildFile(copy) != nullptr;
}

Result<const pb::FileDescriptor*> Build(pb::DescriptorPool& pool, pb::FileDescriptorProto file,
                                        const std::string& name) {
    file.set_name(name);
    for (const std::string& import : file.dependency()) {
        if (pool.FindFileByName(import) || AddKnown(pool, import)) continue;
        return Error(ErrorCode::kInvalidArgument, "the import \"{}\" is no reference of the schema's", import);
    }
    Problems problems;
    const pb::FileDescriptor* built = pool.BuildFileCollectingErrors(file, &problems);
    if (!built) return problems.Told();
    return built;
}

class ProtobufSchema : public Schema {
  public:
    ProtobufSchema(std::unique_ptr<pb::DescriptorPool> pool, const pb::FileDescriptor* file)
        : pool_(std::move(pool)), file_(file) {}
    SchemaType type() const override { return SchemaType::kProtobuf; }
    std::string Canonical() const override { return Text(true); }
    std::string Normal() const override { return Text(false); }
    Result<std::string> Formatted(const std::string& format) const override {
        if (format != "serialized") return Schema::Formatted(format);
        pb::FileDescriptorProto file;
        file_->CopyTo(&file);
        return Base64Encode(AsBytes(file.SerializeAsString()));
    }
    std::vector<Difference> Differences(const Schema& writer, const Sides& sides) const override {
        return ProtobufDifferences(*file_, *static_cast<const ProtobufSchema&>(writer).file_, sides);
    }

  private:
    std::string Text(bool with_comments) const {
        pb::DebugStringOptions options;
        options.include_comments = with_comments;
        return file_->DebugStringWithOptions(options);
    }
    std::unique_ptr<pb::DescriptorPool> pool_;
    const pb::FileDescriptor* file_;
};

}  // namespace

Result<std::unique_ptr<Schema>> ParseProtobuf(const std::string& text,
                                              const std::vector<ReferencedSchema>& references) {
    try {
        auto pool = std::make_unique<pb::DescriptorPool>();
        std::string name = "schema.proto";
        for (const ReferencedSchema& reference : references) {
            if (reference.name == name) name = "_" + name;
            if (pool->FindFileByName(reference.name)) continue;
            auto file = TRY_CONTEXT(Read(reference.text), "the referenced " + reference.name);
            TRY_CONTEXT(Build(*pool, std::move(file), reference.name), "the referenced " + reference.name);
        }
        auto file = TRY(Read(text));
        const pb::FileDescriptor* built = TRY(Build(*pool, std::move(file), name));
        return std::unique_ptr<Schema>(std::make_unique<ProtobufSchema>(std::move(pool), built));
    } catch (const std::exception& exception) {  // the library's own checks
        return Error(ErrorCode::kInvalidArgument, "this is no .proto file: {}", exception.what());
    }
}

}  // namespace tarn::registry
