// DuckDB's file system for tarn://bucket/key: reads and appends through FileStore, as far as the statement may.
//
// A path is opened only if the statement's context allows it: a file of a resolved relation, any file for a trusted
// session, or a new file below the prefix of a write under way. There is no listing: Glob answers the path itself.
#include "engine/adapter.h"

namespace tarn::engine {
namespace {

using duckdb::FileHandle;
using duckdb::FileOpener;
using duckdb::FileOpenFlags;
using duckdb::idx_t;
using duckdb::optional_ptr;
using duckdb::string;

// "tarn://bucket/key" -> "bucket/key". Empty for what no FileStore may be asked for.
std::string StorePath(const string& path) {
    std::string_view rest = path;
    if (!rest.starts_with(kFileScheme)) return {};
    rest.remove_prefix(std::string_view(kFileScheme).size());
    for (std::string_view part : {"/../", "/./", "//"}) {
        if (rest.find(part) != std::string_view::npos) return {};
    }
    if (rest.empty() || rest.starts_with('/') || rest.starts_with("../") || rest.ends_with("/..")) return {};
    return std::string(rest);
}

StatementContext& ContextOfOpener(optional_ptr<FileOpener> opener, const string& path) {
    auto context = FileOpener::TryGetClientContext(opener);
    StatementContext* statement = context ? FindContext(*context) : nullptr;
    if (statement == nullptr) throw duckdb::PermissionException("%s: no statement may open this file", path);
    return *statement;
}

class ReadHandle : public FileHandle {
  public:
    ReadHandle(duckdb::FileSystem& system, const string& path, FileOpenFlags flags, std::shared_ptr<StoredFile> file,
               std::shared_ptr<std::atomic<bool>> copy_failed)
        : FileHandle(system, path, flags), file_(std::move(file)), copy_failed_(std::move(copy_failed)) {}
    void Close() override {}
    StoredFile& file() { return *file_; }
    void Failed() {
        if (copy_failed_) *copy_failed_ = true;
    }

    idx_t position = 0;

  private:
    std::shared_ptr<StoredFile> file_;  // shared by the handles of one statement
    std::shared_ptr<std::atomic<bool>> copy_failed_;  // the statement's, if this is the file of a copy
};

// Finished by Close only: a failed COPY destroys it, and nothing becomes visible.
class AppendHandle : public FileHandle {
  public:
    AppendHandle(duckdb::FileSystem& system, const string& path, FileOpenFlags flags, std::unique_ptr<NewFile> file,
                 StatementContext& statement)
        : FileHandle(system, path, flags), file_(std::move(file)), statement_(statement) {}

    void Append(const void* buffer, idx_t bytes) {
        if (!file_) throw duckdb::IOException("%s is closed", path);
        Status status = file_->Append({static_cast<const uint8_t*>(buffer), bytes});
        if (!status) statement_.Throw(std::move(status).error());
        written_ += bytes;
    }
    void Close() override {
        if (!file_) return;
        auto file = std::move(file_);
        Status status = file->Finish();
        if (!status) statement_.Throw(std::move(status).error());
    }
    idx_t written() const { return written_; }

  private:
    std::unique_ptr<NewFile> file_;
    StatementContext& statement_;
    idx_t written_ = 0;
};

class TarnFileSystem : public duckdb::FileSystem {
  public:
    string GetName() const override { return "TarnFileSystem"; }
    bool CanHandleFile(const string& path) override { return path.rfind(kFileScheme, 0) == 0; }
    bool IsManuallySet() override { return true; }
    bool CanSeek() override { return true; }
    // Keeps DuckDB's cache of decrypted pages on: it serves files that are not on a local disk only.
    bool OnDiskFile(FileHandle&) override { return false; }
    string PathSeparator(const string&) override { return "/"; }
    bool IsPipe(const string&, optional_ptr<FileOpener>) override { return false; }
    duckdb::FileType GetFileType(FileHandle&) override { return duckdb::FileType::FILE_TYPE_REGULAR; }
    void Seek(FileHandle& handle, idx_t location) override { Reader(handle).position = location; }
    void Reset(FileHandle& handle) override { Reader(handle).position = 0; }
    void FileSync(FileHandle&) override {}  // Finish makes it durable

    duckdb::unique_ptr<FileHandle> OpenFile(const string& path, FileOpenFlags flags,
                                            optional_ptr<FileOpener> opener) override {
        StatementContext& statement = ContextOfOpener(opener, path);
        std::string name = StorePath(path);
        if (flags.OpenForWriting()) return OpenToWrite(statement, path, name, flags);
        if (name.empty() || !statement.MayRead(name)) {
            throw duckdb::PermissionException("this statement may not read %s", path);
        }
        security::Principal reader = statement.principal;
        if (!statement.trusted) {
            // The relation was resolved under the gate; its files are not the user's to open but ours.
            reader = security::Principal::System("engine");
            reader.on_behalf_of = statement.principal.Id();
        }
        auto file = statement.OpenOnce(reader, name);
        bool is_copy = statement.IsCopy(name);
        if (!file) {
            if (is_copy) *statement.copy_failed = true;
            if (flags.ReturnNullIfNotExists() && file.error().code() == ErrorCode::kNotFound) return nullptr;
            statement.Throw(std::move(file).error().Context("reading " + path));
        }
        return duckdb::make_uniq<ReadHandle>(*this, path, flags, std::move(file).value(),
                                             is_copy ? statement.copy_failed : nullptr);
    }

    void Read(FileHandle& handle, void* buffer, int64_t bytes, idx_t location) override {
        if (ReadAt(handle, buffer, bytes, location) != bytes) {
            throw duckdb::IOException("%s ends before byte %llu", handle.path, location + bytes);
        }
    }
    int64_t Read(FileHandle& handle, void* buffer, int64_t bytes) override {
        auto& reader = Reader(handle);
        int64_t got = ReadAt(handle, buffer, bytes, reader.position);
        reader.position += got;
        return got;
    }
    void Write(FileHandle& handle, void* buffer, int64_t bytes, idx_t location) override {
        if (location != Writer(handle).written()) throw duckdb::IOException("%s can only be appended to", handle.path);
        Writer(handle).Append(buffer, bytes);
    }
    int64_t Write(FileHandle& handle, void* buffer, int64_t bytes) override {
        Writer(handle).Append(buffer, bytes);
        return bytes;
    }
    int64_t GetFileSize(FileHandle& handle) override {
        if (handle.flags.OpenForWriting()) return Writer(handle).written();
        return Reader(handle).file().bytes();
    }
    idx_t SeekPosition(FileHandle& handle) override {
        return handle.flags.OpenForWriting() ? Writer(handle).written() : Reader(handle).position;
    }
    duckdb::timestamp_t GetLastModifiedTime(FileHandle& handle) override {
        if (handle.flags.OpenForWriting()) return duckdb::timestamp_t(0);
        return duckdb::timestamp_t(Reader(handle).file().modified_us());
    }
    string GetVersionTag(FileHandle& handle) override {
        return handle.flags.OpenForWriting() ? string() : Reader(handle).file().version_tag();
    }

    // Keys have no folders: every one is there, and none is ever made.
    bool DirectoryExists(const string&, optional_ptr<FileOpener>) override { return true; }
    void CreateDirectory(const string&, optional_ptr<FileOpener>) override {}
    void CreateDirectoriesRecursive(const string&, optional_ptr<FileOpener>) override {}
    bool ListFiles(const string&, const std::function<void(const string&, bool)>&, FileOpener*) override {
        return true;
    }
    bool FileExists(const string& path, optional_ptr<FileOpener> opener) override {
        StatementContext& statement = ContextOfOpener(opener, path);
        std::string name = StorePath(path);
        if (name.empty() || statement.MayWrite(name) || !statement.MayRead(name)) return false;
        return statement.deps.files.Open(security::Principal::System("engine"), name).ok();
    }
    // DuckDB removes what a failed COPY left; what was not finished leaves nothing.
    bool TryRemoveFile(const string&, optional_ptr<FileOpener>) override { return false; }
    void RemoveFile(const string& path, optional_ptr<FileOpener>) override {
        throw duckdb::PermissionException("the engine never removes a file, asked for %s", path);
    }
    duckdb::vector<duckdb::OpenFileInfo> Glob(const string& path, FileOpener* opener) override {
        StatementContext& statement = ContextOfOpener(opener, path);
        std::string name = StorePath(path);
        if (name.empty() || !statement.MayRead(name)) {
            throw duckdb::PermissionException("this statement may not read %s", path);
        }
        return {duckdb::OpenFileInfo(path)};
    }

  private:
    static ReadHandle& Reader(FileHandle& handle) { return static_cast<ReadHandle&>(handle); }
    static AppendHandle& Writer(FileHandle& handle) { return static_cast<AppendHandle&>(handle); }

    duckdb::unique_ptr<FileHandle> OpenToWrite(StatementContext& statement, const string& path, const std::string& name,
                                               FileOpenFlags flags) {
        if (name.empty() || !statement.MayWrite(name)) {
            throw duckdb::PermissionException("this statement may not write %s", path);
        }
        security::Principal writer = security::Principal::System("engine");
        writer.on_behalf_of = statement.principal.Id();
        auto file = statement.deps.files.Create(writer, name);
        if (!file) statement.Throw(std::move(file).error().Context("writing " + path));
        return duckdb::make_uniq<AppendHandle>(*this, path, flags, std::move(file).value(), statement);
    }

    static int64_t ReadAt(FileHandle& handle, void* buffer, int64_t bytes, idx_t location) {
        auto got = Reader(handle).file().ReadAt(location, {static_cast<uint8_t*>(buffer), static_cast<size_t>(bytes)});
        // No context here: DuckDB reads from its own threads. The code is kept in the exception's kind.
        if (!got) Reader(handle).Failed();
        if (!got) throw duckdb::IOException("%s: %s", handle.path, got.error().message());
        return static_cast<int64_t>(*got);
    }
};

}  // namespace

void RegisterFileSystem(duckdb::DatabaseInstance& database) {
    duckdb::FileSystem::GetFileSystem(database).RegisterSubSystem(duckdb::make_uniq<TarnFileSystem>());
}

}  // namespace tarn::engine
