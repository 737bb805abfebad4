#include "scheduler/table_sums.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>

namespace sherd {
namespace {

using google::protobuf::FieldDescriptor;

// All of a table's numbers but this one are counts.
bool IsCount(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64 && field->name() != "refused_key";
}

void AddTable(const proto::TableStatus& table, proto::TableStatus* sum) {
  const auto* reflection = sum->GetReflection();
  for (int i = 0; i < sum->GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* const field = sum->GetDescriptor()->field(i);
    if (!IsCount(field) || !reflection->HasField(table, field)) continue;
    reflection->SetUInt64(sum, field, reflection->GetUInt64(*sum, field) + reflection->GetUInt64(table, field));
  }
  if (table.has_refused_key()) sum->set_refused_key(table.refused_key());
}

}  // namespace

void AddTables(const proto::ShardStatus& status, std::vector<proto::TableStatus>* sums) {
  for (const proto::TableStatus& table : status.table()) {
    auto found = std::find_if(sums->begin(), sums->end(), [&](const auto& sum) { return sum.name() == table.name(); });
    if (found == sums->end()) {
      found = sums->emplace(sums->end());
      found->set_name(table.name());
    }
    AddTable(table, &*found);
  }
}

}  // namespace sherd
