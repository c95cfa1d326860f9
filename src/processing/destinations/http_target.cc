// Kind http: a version's rows as batches of JSON, each under a key that is the same whenever it is sent.
#include "base/text.h"
#include "processing/destinations/target.h"

namespace tarn::destinations {
namespace {

constexpr Duration kRequestTime = std::chrono::seconds(60);
constexpr size_t kAnswerBytesMax = 64 << 10;
constexpr size_t kAnswerShownMax = 200;

class HttpTarget : public Target {
  public:
    explicit HttpTarget(const DestinationsDependencies& dependencies) : dependencies_(dependencies) {}

    Result<Delivered> Deliver(Delivery& delivery) override {
        if (TRY(HasPosition(delivery))) return Delivered{.skipped = true};
        // In one order, so that a batch that is sent again holds the same rows.
        auto rows = TRY(delivery.session.Query("SELECT * FROM (" + delivery.Select() + ") ORDER BY ALL"));
        Delivered delivered;
        Json batch = Json::array();
        int64_t number = 0;
        while (const engine::Chunk* chunk = TRY(rows->Next())) {
            for (size_t row = 0; row < chunk->rows(); ++row) {
                Json object = Json::object();
                for (size_t column = 0; column < rows->columns().size(); ++column) {
                    object[rows->columns()[column].name] =
                        chunk->IsNull(row, column) ? Json() : chunk->Value(row, column);
                }
                batch.push_back(std::move(object));
                if (static_cast<int>(batch.size()) >= delivery.destination.batch_rows) {
                    TRY(Post(delivery, batch, number++, false, delivered));
                }
            }
        }
        // The last one says so, even if it is empty: the receiver knows then that it has all of the version.
        TRY(Post(delivery, batch, number, true, delivered));
        TRY(SetPosition(delivery));
        return delivered;
    }

  private:
    Result<bool> HasPosition(const Delivery& delivery) {
        auto rows = TRY(dependencies_.metadata.Query(
            "SELECT source, version FROM destination_positions WHERE delivery = $1", {delivery.Name()}));
        return !rows.empty() && rows[0][0].text() == delivery.position.source &&
               rows[0][1].integer() >= delivery.position.version;
    }
    Status SetPosition(const Delivery& delivery) {
        return dependencies_.metadata.Write([&](metadata::Transaction& transaction) -> Status {
            TRY(transaction.Execute(
                "INSERT INTO destination_positions (delivery, source, version) VALUES ($1, $2, $3) "
                "ON CONFLICT (delivery) DO UPDATE SET source = excluded.source, version = excluded.version",
                {delivery.Name(), delivery.position.source, delivery.position.version}));
            return Ok();
        });
    }
    Status Post(const Delivery& delivery, Json& batch, int64_t number, bool last, Delivered& delivered) {
        TRY(delivery.CheckCancelled());
        const Destination& destination = delivery.destination;
        HttpClientRequest request;
        request.method = "POST";
        request.url = destination.url;
        request.timeout = kRequestTime;
        request.redirects_max = 0;
        request.policy = {.allow_loopback = destination.private_network, .allow_private = destination.private_network};
        size_t rows = batch.size();
        request.body = DumpJson({{"delivery", delivery.Name()},
                                 {"table", delivery.table.from},
                                 {"version", delivery.position.version},
                                 {"key", delivery.table.key},
                                 {"batch", number},
                                 {"last", last},
                                 {"rows", std::move(batch)}});
        batch = Json::array();
        request.headers = {{"Content-Type", "application/json"},
                           {"Idempotency-Key", fmt::format("{}-{}-{}-{}", delivery.Name(), delivery.position.source,
                                                           delivery.position.version, number)}};
        if (!destination.bearer.name.empty()) {
            Secret token = TRY(dependencies_.secrets.Get(destination.bearer.name));
            request.headers.Add("Authorization", "Bearer " + std::string(token.text()));
        }
        delivered.bytes += static_cast<int64_t>(request.body.size());
        TRY(Check(destination, dependencies_.http.Send(request, kAnswerBytesMax)));
        delivered.rows += static_cast<int64_t>(rows);
        delivery.run.Progress(fmt::format("batch {}", number), delivered.rows);
        return Ok();
    }
    static Status Check(const Destination& destination, Result<HttpClientResponse> answer) {
        if (!answer.ok()) {
            bool refused = answer.error().code() == ErrorCode::kPermissionDenied && !destination.private_network;
            if (!refused) return std::move(answer).error();
            return Error(answer.error()).WithHint("if that is right, say `private_network: yes`");
        }
        if (answer->status >= 200 && answer->status < 300) return Ok();
        std::string said = answer->body.substr(0, kAnswerShownMax);
        // Too many, too slow, or broken there: later it may do. The others mean these rows or this address.
        bool later = answer->status == 408 || answer->status == 425 || answer->status == 429 || answer->status >= 500;
        return Error(later ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument, "the API answers {}: {}",
                     answer->status, said);
    }

    const DestinationsDependencies& dependencies_;
};

}  // namespace

std::unique_ptr<Target> MakeHttpTarget(const DestinationsDependencies& dependencies) {
    return std::make_unique<HttpTarget>(dependencies);
}

}  // namespace tarn::destinations
