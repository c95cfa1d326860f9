// Kind s3: one object a table, replaced whole, or a Delta table. What was delivered stands in the object's own metadata
// (in Delta's log), so it is there in the same step as the rows.
#include "base/number.h"
#include "base/text.h"
#include "processing/destinations/s3_client.h"
#include "processing/destinations/table_writer.h"
#include "processing/destinations/target.h"

namespace tarn::destinations {
namespace {

constexpr const char* kDeliveryHeader = "x-amz-meta-tarn-delivery";
constexpr const char* kPositionHeader = "x-amz-meta-tarn-position";  // "source/version"

std::string ContentType(const std::string& format) {
    if (format == "csv") return "text/csv; charset=utf-8";
    return format == "json" ? "application/x-ndjson" : "application/vnd.apache.parquet";
}

class S3Target : public Target {
  public:
    explicit S3Target(const DestinationsDependencies& dependencies) : dependencies_(dependencies) {}

    Result<Delivered> Deliver(Delivery& delivery) override {
        const Destination& destination = delivery.destination;
        Secret secret = TRY(dependencies_.secrets.Get(destination.access_key.secret.name));
        S3Client client(dependencies_.http, dependencies_.env, destination, std::move(secret));
        if (destination.format == "delta") return DeliverDelta(client, delivery, dependencies_);
        std::string key = destination.prefix + delivery.table.to + "." + destination.format;
        if (TRY(HasPosition(client, key, delivery))) return Delivered{.skipped = true};
        Status cleaned = client.AbortUploads(key);
        if (!cleaned.ok()) delivery.run.Write("uploads left behind stay: " + cleaned.error().message());
        S3Upload upload(client, key,
                        {{"Content-Type", ContentType(destination.format)},
                         {kDeliveryHeader, delivery.Name()},
                         {kPositionHeader, fmt::format("{}/{}", delivery.position.source, delivery.position.version)}});
        WrittenTable written = TRY(WriteTable(delivery, delivery.Select(), dependencies_.outgoing, upload));
        TRY(delivery.CheckCancelled());
        TRY(upload.Finish());
        return Delivered{.rows = written.rows, .bytes = written.bytes};
    }

  private:
    static Result<bool> HasPosition(S3Client& client, const std::string& key, const Delivery& delivery) {
        auto there = TRY(client.Head(key));
        if (!there) return false;
        if (there->Get(kDeliveryHeader) != delivery.Name() && !delivery.table.take_over) {
            return Error(ErrorCode::kFailedPrecondition, "{}/{} is there already, and not by this delivery",
                         client.bucket(), key)
                .WithHint("say `take_over: yes` to replace it, or deliver to another name");
        }
        std::string_view position = there->Get(kPositionHeader);
        size_t slash = position.rfind('/');
        if (slash == std::string_view::npos || position.substr(0, slash) != delivery.position.source) return false;
        return IntegerOrZero(position.substr(slash + 1)) >= delivery.position.version;
    }

    const DestinationsDependencies& dependencies_;
};

}  // namespace

std::unique_ptr<Target> MakeS3Target(const DestinationsDependencies& dependencies) {
    return std::make_unique<S3Target>(dependencies);
}

}  // namespace tarn::destinations
