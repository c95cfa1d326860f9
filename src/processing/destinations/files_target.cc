// Kind files: one file a table, replaced whole. The same version gives the same rows, so a repeat changes nothing.
#include "base/file_stream.h"
#include "processing/destinations/table_writer.h"
#include "processing/destinations/target.h"

namespace tarn::destinations {
namespace {

class FilesTarget : public Target {
  public:
    explicit FilesTarget(const DestinationsDependencies& dependencies) : dependencies_(dependencies) {}

    Result<Delivered> Deliver(Delivery& delivery) override {
        const Destination& destination = delivery.destination;
        Files& files = dependencies_.env.files();
        std::string folder = dependencies_.workspace_directory + "/" + destination.path;
        std::string path = folder + "/" + delivery.table.to + "." + destination.format;
        TRY(files.CreateDirectories(folder));
        auto file = TRY(FileReplacement::Create(files, path, 0600));
        WrittenTable written = TRY(WriteTable(delivery, delivery.Select(), dependencies_.outgoing, *file));
        TRY(file->Finish());
        TRY(files.SyncDirectory(folder));
        return Delivered{.rows = written.rows, .bytes = written.bytes};
    }

  private:
    const DestinationsDependencies& dependencies_;
};

}  // namespace

std::unique_ptr<Target> MakeFilesTarget(const DestinationsDependencies& dependencies) {
    return std::make_unique<FilesTarget>(dependencies);
}

}  // namespace tarn::destinations
