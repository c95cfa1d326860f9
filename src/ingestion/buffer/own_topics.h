// Topics over the buffer's own log. Internal to the component.
#pragma once

#include <memory>

#include "ingestion/buffer/topic_store.h"
#include "ingestion/buffer/topics.h"
#include "security/gate.h"

namespace tarn::buffer {

// The store and the gate outlive it.
std::unique_ptr<Topics> MakeOwnTopics(Env& env, TopicStore& store, const security::Gate& gate);

}  // namespace tarn::buffer
