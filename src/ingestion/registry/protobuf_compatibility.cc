// Whether messages of one .proto file can be read by another. What is sent carries numbers and wire types, no names: a
// change that keeps both is compatible, a removed field is skipped by who doesn't know it.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <map>
#include <set>

#include "ingestion/registry/protobuf_schema.h"

namespace tarn::registry {
namespace {

namespace pb = google::protobuf;
using pb::Descriptor;
using pb::FieldDescriptor;
using pb::FileDescriptor;
using pb::OneofDescriptor;

// Types whose values read as each other's.
enum class Shape : uint8_t { kNumber, kZigZag, kText, kFixed32, kFixed64, kFloat, kDouble, kMessage, kMap };

Shape ShapeOf(const FieldDescriptor& field) {
    if (field.is_map()) return Shape::kMap;
    switch (field.type()) {
        case FieldDescriptor::TYPE_MESSAGE:
        case FieldDescriptor::TYPE_GROUP:
            return Shape::kMessage;
        case FieldDescriptor::TYPE_SINT32:
        case FieldDescriptor::TYPE_SINT64:
            return Shape::kZigZag;
        case FieldDescriptor::TYPE_STRING:
        case FieldDescriptor::TYPE_BYTES:
            return Shape::kText;
        case FieldDescriptor::TYPE_FIXED32:
        case FieldDescriptor::TYPE_SFIXED32:
            return Shape::kFixed32;
        case FieldDescriptor::TYPE_FIXED64:
        case FieldDescriptor::TYPE_SFIXED64:
            return Shape::kFixed64;
        case FieldDescriptor::TYPE_FLOAT:
            return Shape::kFloat;
        case FieldDescriptor::TYPE_DOUBLE:
            return Shape::kDouble;
        default:  // whole numbers, bool and enums: varints
            return Shape::kNumber;
    }
}

bool IsScalar(Shape shape) { return shape != Shape::kMessage && shape != Shape::kMap; }

// Without its package: two versions of an imported file may be of different ones.
std::string LocalName(const Descriptor& message) {
    const std::string& package = message.file()->package();
    return package.empty() ? message.full_name() : message.full_name().substr(package.size() + 1);
}

std::map<int, const FieldDescriptor*> FieldsOf(const Descriptor& message) {
    std::map<int, const FieldDescriptor*> fields;
    for (int i = 0; i < message.field_count(); ++i) fields[message.field(i)->number()] = message.field(i);
    return fields;
}

class Comparison {
  public:
    Comparison(const FileDescriptor& reader, const FileDescriptor& writer, const Sides& sides)
        : reader_(reader), writer_(writer), sides_(sides) {}

    std::vector<Difference> Compare() {
        if (reader_.package() != writer_.package()) {
            Add("PACKAGE_CHANGED", "/",
                fmt::format("the package is \"{}\" in the {} and \"{}\" in the {}", reader_.package(), sides_.reader,
                            writer_.package(), sides_.writer));
        }
        for (int i = 0; i < writer_.message_type_count(); ++i) {
            const Descriptor& message = *writer_.message_type(i);
            Messages(reader_.FindMessageTypeByName(message.name()), message, "/" + message.name());
        }
        if (gave_up_) {
            found_.clear();
            Add("UNKNOWN", "/",
                fmt::format("the schemas are too large to be compared: more than {} pairs of messages, "
                            "or nested more than {} deep",
                            kPairsMax, kSchemaDepthMax));
        }
        return found_;
    }

  private:
    void Add(std::string kind, const std::string& path, const std::string& what) {
        found_.push_back({std::move(kind), fmt::format("at '#{}': {}", path, what)});
    }

    void Messages(const Descriptor* reader, const Descriptor& writer, const std::string& path) {
        if (!reader) {
            return Add("MESSAGE_REMOVED", path,
                       fmt::format("the {} lacks the message that the {} has", sides_.reader, sides_.writer));
        }
        if (!seen_.insert({reader, &writer}).second) return;
        if (seen_.size() > kPairsMax || depth_ >= kSchemaDepthMax) gave_up_ = true;
        if (gave_up_) return;
        ++depth_;
        Oneofs(*reader, writer, path);
        Fields(*reader, writer, path);
        for (int i = 0; i < writer.nested_type_count(); ++i) {
            const Descriptor& nested = *writer.nested_type(i);
            if (nested.options().map_entry()) continue;
            const Descriptor* other = reader->FindNestedTypeByName(nested.name());
            Messages(other && other->options().map_entry() ? nullptr : other, nested, path + "/" + nested.name());
        }
        --depth_;
    }

    // Fields that could be set together, and now exclude each other.
    void Oneofs(const Descriptor& reader, const Descriptor& writer, const std::string& path) {
        for (int i = 0; i < reader.real_oneof_decl_count(); ++i) {
            const OneofDescriptor& oneof = *reader.oneof_decl(i);
            std::set<std::string> origins;
            int singles = 0;
            for (int f = 0; f < oneof.field_count(); ++f) {
                const FieldDescriptor* before = writer.FindFieldByNumber(oneof.field(f)->number());
                if (!before) continue;
                const OneofDescriptor* home = before->real_containing_oneof();
                origins.insert(home ? "oneof " + home->name() : fmt::format("field {}", before->number()));
                if (!home) ++singles;
            }
            if (origins.size() < 2) continue;
            Add(singles > 1 ? "MULTIPLE_FIELDS_MOVED_TO_ONEOF" : "FIELD_MOVED_TO_EXISTING_ONEOF",
                path + "/" + oneof.name(),
                fmt::format("fields that the {} may write together exclude each other in the {}", sides_.writer,
                            sides_.reader));
        }
    }

    void Fields(const Descriptor& reader, const Descriptor& writer, const std::string& path) {
        auto read = FieldsOf(reader);
        auto written = FieldsOf(writer);
        for (const auto& [number, field] : written) {
            auto now = read.find(number);
            if (now == read.end()) {
                Removed(reader, *field, path);
                continue;
            }
            const OneofDescriptor* home = now->second->real_containing_oneof();
            Field(*now->second, *field, path + (home ? "/" + home->name() : "") + fmt::format("/{}", number));
        }
        for (const auto& [number, field] : read) {
            if (written.contains(number) || !field->is_required()) continue;
            Add("REQUIRED_FIELD_ADDED", fmt::format("{}/{}", path, number),
                fmt::format("the field {} is required in the {}, and the {} does not write it", field->name(),
                            sides_.reader, sides_.writer));
        }
    }

    void Removed(const Descriptor& reader, const FieldDescriptor& field, const std::string& path) {
        const OneofDescriptor* home = field.real_containing_oneof();
        if (field.is_required()) {
            Add("REQUIRED_FIELD_REMOVED", fmt::format("{}/{}", path, field.number()),
                fmt::format("the field {} is required in the {} and gone in the {}", field.name(), sides_.writer,
                            sides_.reader));
        }
        if (!home) return;
        // The whole oneof may go; of one that lives on, in whatever place, no branch may.
        bool lives = reader.FindOneofByName(home->name()) != nullptr;
        for (int i = 0; i < home->field_count(); ++i) {
            lives = lives || reader.FindFieldByNumber(home->field(i)->number());
        }
        if (!lives) return;
        Add("ONEOF_FIELD_REMOVED", fmt::format("{}/{}/{}", path, home->name(), field.number()),
            fmt::format("the {} lacks the field {} of a oneof, which the {} writes", sides_.reader, field.name(),
                        sides_.writer));
    }

    void Field(const FieldDescriptor& reader, const FieldDescriptor& writer, const std::string& path) {
        Shape now = ShapeOf(reader), before = ShapeOf(writer);
        bool same_kind = IsScalar(now) ? IsScalar(before) : now == before;
        auto types = [&] {
            return fmt::format("the type is {} in the {} and {} in the {}", reader.type_name(), sides_.reader,
                               writer.type_name(), sides_.writer);
        };
        if (!same_kind) return Add("FIELD_KIND_CHANGED", path, types());
        if (now == Shape::kMessage) return Named(*reader.message_type(), *writer.message_type(), path);
        if (now == Shape::kMap) {
            for (int i = 0; i < 2; ++i) Field(*reader.message_type()->field(i), *writer.message_type()->field(i), path);
            return;
        }
        if (now != before) return Add("FIELD_SCALAR_KIND_CHANGED", path, types());
        // A string that is read as a list has one element; a number may come packed.
        if (reader.label() != writer.label() && now != Shape::kText) {
            Add("FIELD_NUMERIC_LABEL_CHANGED", path,
                fmt::format("the field {} is repeated, optional or required in the {} otherwise than in the {}",
                            reader.name(), sides_.reader, sides_.writer));
        }
    }

    void Named(const Descriptor& reader, const Descriptor& writer, const std::string& path) {
        if (LocalName(reader) != LocalName(writer)) {
            return Add("FIELD_NAMED_TYPE_CHANGED", path,
                       fmt::format("the type is {} in the {} and {} in the {}", reader.full_name(), sides_.reader,
                                   writer.full_name(), sides_.writer));
        }
        // What both files have themselves is compared where it stands.
        if (reader.file() == &reader_ && writer.file() == &writer_) return;
        size_t before = found_.size();
        Messages(&reader, writer, "/" + LocalName(writer));
        if (found_.size() > before) {
            Add("FIELD_NAMED_TYPE_CHANGED", path, fmt::format("the type {} changed", writer.full_name()));
        }
    }

    const FileDescriptor& reader_;
    const FileDescriptor& writer_;
    Sides sides_;
    std::vector<Difference> found_;
    std::set<std::pair<const Descriptor*, const Descriptor*>> seen_;
    int depth_ = 0;
    bool gave_up_ = false;
};

}  // namespace

std::vector<Difference> ProtobufDifferences(const FileDescriptor& reader, const FileDescriptor& writer,
                                            const Sides& sides) {
    return Comparison(reader, writer, sides).Compare();
}

}  // namespace tarn::registry
