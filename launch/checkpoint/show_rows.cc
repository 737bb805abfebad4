#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "base/job_file.h"
#include "launch/checkpoint/show.h"
#include "launch/checkpoint/token_key.h"
#include "ps/checkpoint_reader.h"
#include "ps/row_layout.h"

namespace sherd {
namespace {

void PrintFloats(const std::string& name, std::span<const float> values, std::ostream& out) {
  if (values.empty()) return;
  out << "  " << name << ":";
  for (const float value : values) {
    char digits[32];
    out << ' ' << std::string(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  out << '\n';
}

void PrintUsage(const RowLayout::Usage& usage, const std::byte* row, std::ostream& out) {
  const auto print = [&](const char* name, std::uint32_t offset) {
    std::uint32_t value = 0;
    if (offset != 0) std::memcpy(&value, row + offset, sizeof(value));
    if (offset != 0) out << "  " << name << ": " << value << '\n';
  };
  print("clock of its last push", usage.clock);
  print("second of its last push", usage.second);
  print("pushes", usage.count);
}

void PrintRow(const proto::TableSpec& spec, const RowLayout& layout, const std::byte* row, std::ostream& out) {
  std::vector<float> floats(layout.row_floats());
  layout.DecodeRow(row, floats.data());
  for (std::size_t i = 0; i < layout.segments().size(); ++i) {
    const RowLayout::Segment& segment = layout.segments()[i];
    const std::string& name = spec.segment(static_cast<int>(i)).name();
    PrintFloats(name, {&floats[segment.weights], segment.dim}, out);
    if (layout.storage().weights() == proto::RowStorage::INT8) continue;  // keeps no state
    const std::size_t state = segment.optimizer->state_floats(segment.dim);
    PrintFloats(name + " state", std::span<const float>(floats).subspan(segment.state, state), out);
  }
  PrintUsage(layout.usage(), row, out);
}

// What a table has under a key; true: a row, or a candidate.
Result<bool> PrintKey(const proto::TableSpec& spec, const CheckpointSlot::Table& contents, Key key, std::ostream& out) {
  out << "table " << spec.name() << ", key " << key << ", slot " << SlotOf(key) << ": ";
  const auto row = std::ranges::find(contents.keys, key);
  if (row != contents.keys.end()) {
    ASSIGN_OR_RETURN(const RowLayout layout, RowLayout::Make(spec));
    out << "a row, " << proto::RowStorage::Precision_Name(layout.storage().weights()) << '\n';
    PrintRow(spec, layout, &contents.rows[static_cast<std::size_t>(row - contents.keys.begin()) * layout.row_bytes()],
             out);
    return true;
  }
  const auto candidate = std::ranges::find(contents.candidates, key);
  if (candidate == contents.candidates.end()) {
    out << "no row: no push has come, or it was deleted\n";
    return false;
  }
  out << "a candidate, pushed to "
      << contents.sightings[static_cast<std::size_t>(candidate - contents.candidates.begin())] << " times\n";
  return true;
}

Status CheckTable(const proto::ModelSpec& model, const std::string& table) {
  if (table.empty()) return {};
  std::string names;
  for (const proto::TableSpec& spec : model.table()) {
    if (spec.name() == table) return {};
    names += (names.empty() ? "" : ", ") + spec.name();
  }
  return Status::Invalid("--table: the checkpoint has no table " + table + "; it has " + names);
}

}  // namespace

Status ShowRows(const std::string& dir, const RowQuestion& question, std::ostream& out) {
  ASSIGN_OR_RETURN(const std::unique_ptr<CheckpointReader> reader, CheckpointReader::Open(dir));
  std::string table = question.table;
  std::vector<Key> keys;
  if (question.key) {
    keys = {*question.key};
  } else {
    ASSIGN_OR_RETURN(const proto::Job job, ParseJob(reader->manifest().job_text(), dir + " (job file)"));
    ASSIGN_OR_RETURN(const auto found,
                     KeysOfText(job, reader->manifest().statistics(), question.feature, question.text));
    if (!table.empty() && table != found.first) {
      return Status::Invalid("--table: feature " + question.feature + " has its rows in table " + found.first);
    }
    table = found.first;
    keys = found.second;
  }
  RETURN_IF_ERROR(CheckTable(reader->model(), table));
  bool any = false;
  CheckpointSlot contents;
  for (const Key key : keys) {
    RETURN_IF_ERROR(reader->ReadSlot(SlotOf(key), &contents));
    for (std::size_t i = 0; i < contents.tables.size(); ++i) {
      const proto::TableSpec& spec = reader->model().table(static_cast<int>(i));
      if (!table.empty() && spec.name() != table) continue;
      ASSIGN_OR_RETURN(const bool here, PrintKey(spec, contents.tables[i], key, out));
      any |= here;
    }
  }
  out.flush();
  return any ? Status() : Status::NotFound("there is no such row");
}

}  // namespace sherd
