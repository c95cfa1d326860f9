// TopicTables: the schema `topic`: each topic is a table of its records. Internal to the component.
#pragma once

#include <memory>

#include "ingestion/buffer/topics.h"
#include "storage/catalog/catalog.h"

namespace tarn::buffer {

// The topics outlive it and every scan of it. The gate is the catalog's: what it lets through is read as the program.
std::unique_ptr<catalog::DatasetProvider> MakeTopicTables(Topics& topics);

}  // namespace tarn::buffer
