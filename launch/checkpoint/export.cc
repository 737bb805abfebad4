#include "launch/checkpoint/export.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "launch/checkpoint/folder.h"
#include "launch/checkpoint/npy_file.h"
#include "ps/checkpoint_reader.h"
#include "ps/row_layout.h"

namespace sherd {
namespace {

// Names of tables and tensors are a user's; those of files are made of letters, digits, dots, dashes and underscores.
std::string FileName(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    char code[4] = {c, '\0'};
    if (!std::isalnum(byte) && c != '.' && c != '-' && c != '_') std::snprintf(code, sizeof code, "%%%02X", byte);
    text += code;
  }
  return text;
}

Status AppendText(FileWriter* file, std::string_view text) { return file->Append(std::as_bytes(std::span(text))); }

Result<std::unique_ptr<FileWriter>> CreateNpy(const std::string& path, const std::string& type,
                                              const std::vector<std::uint64_t>& shape) {
  ASSIGN_OR_RETURN(auto file, FileWriter::Create(path));
  RETURN_IF_ERROR(AppendText(file.get(), NpyHeader(type, shape)));
  return file;
}

// The files of one table.
class TableExport {
 public:
  static Result<TableExport> Make(const proto::TableSpec& spec, std::uint64_t rows, ExportOptions::Format format,
                                  const std::string& out) {
    TableExport table;
    table.text_ = format == ExportOptions::Format::kText;
    ASSIGN_OR_RETURN(table.layout_, RowLayout::Make(spec));
    table.floats_.resize(table.layout_->row_floats());
    const std::string stem = JoinPath(out, FileName(spec.name())) + ".";
    if (!table.text_) {
      ASSIGN_OR_RETURN(table.keys_, CreateNpy(stem + "keys.npy", "<u8", {rows}));
    }
    for (const proto::SegmentSpec& segment : spec.segment()) {
      const std::string path = stem + FileName(segment.name());
      if (table.text_) {
        ASSIGN_OR_RETURN(auto file, FileWriter::Create(path + ".txt"));
        RETURN_IF_ERROR(AppendText(file.get(), std::to_string(rows) + " " + std::to_string(segment.dim()) + "\n"));
        table.segments_.push_back(std::move(file));
      } else {
        ASSIGN_OR_RETURN(auto file, CreateNpy(path + ".npy", "<f4", {rows, segment.dim()}));
        table.segments_.push_back(std::move(file));
      }
    }
    return table;
  }

  Status Add(const CheckpointSlot::Table& contents) {
    if (!text_) RETURN_IF_ERROR(keys_->Append(std::as_bytes(std::span(contents.keys))));
    for (std::size_t i = 0; i < contents.keys.size(); ++i) {
      layout_->DecodeRow(&contents.rows[i * layout_->row_bytes()], floats_.data());
      for (std::size_t s = 0; s < segments_.size(); ++s) {
        const RowLayout::Segment& segment = layout_->segments()[s];
        const std::span<const float> weights(&floats_[segment.weights], segment.dim);
        RETURN_IF_ERROR(text_ ? AddLine(contents.keys[i], weights, segments_[s].get())
                              : segments_[s]->Append(std::as_bytes(weights)));
      }
    }
    return {};
  }

  Status Finish() {
    if (keys_ != nullptr) RETURN_IF_ERROR(keys_->Finish());
    for (const auto& file : segments_) RETURN_IF_ERROR(file->Finish());
    return {};
  }

 private:
  Status AddLine(Key key, std::span<const float> weights, FileWriter* file) {
    line_ = std::to_string(key);
    for (const float weight : weights) {
      char digits[32];
      line_ += ' ';
      line_.append(digits, std::to_chars(digits, digits + sizeof digits, weight).ptr);
    }
    line_ += '\n';
    return AppendText(file, line_);
  }

  bool text_ = false;
  std::optional<RowLayout> layout_;
  std::vector<float> floats_;
  std::unique_ptr<FileWriter> keys_;
  std::vector<std::unique_ptr<FileWriter>> segments_;
  std::string line_;
};

class Exporter {
 public:
  static Result<Exporter> Make(const std::string& dir, const ExportOptions& options) {
    Exporter exporter;
    ASSIGN_OR_RETURN(exporter.reader_, CheckpointReader::Open(dir));
    const proto::ModelSpec& model = exporter.reader_->model();
    for (std::size_t i = 0; i < static_cast<std::size_t>(model.table_size()); ++i) {
      const std::string& name = model.table(static_cast<int>(i)).name();
      if (options.table.empty() || options.table == name) exporter.chosen_.push_back(i);
    }
    if (exporter.chosen_.empty() && !options.table.empty()) {
      std::string names;
      for (const proto::TableSpec& table : model.table()) names += (names.empty() ? "" : ", ") + table.name();
      return Status::Invalid("--table: the checkpoint has no table " + options.table + "; it has " + names);
    }
    if (options.table.empty()) {
      for (const proto::TensorSpec& tensor : model.tensor())
        exporter.tensors_.emplace_back(std::size_t{tensor.rows()} * tensor.cols());
    }
    return exporter;
  }

  // What stands at the head of each file is how many rows follow, so they are counted first.
  Status CountRows() {
    rows_.assign(chosen_.size(), 0);
    return ForEachSlot([this] {
      for (std::size_t i = 0; i < chosen_.size(); ++i) rows_[i] += contents_.tables[chosen_[i]].keys.size();
      return Status();
    });
  }

  Status WriteTables(const std::string& out, ExportOptions::Format format) {
    std::vector<TableExport> tables;
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      const proto::TableSpec& spec = reader_->model().table(static_cast<int>(chosen_[i]));
      ASSIGN_OR_RETURN(TableExport table, TableExport::Make(spec, rows_[i], format, out));
      tables.push_back(std::move(table));
    }
    RETURN_IF_ERROR(ForEachSlot([&] {
      for (std::size_t i = 0; i < chosen_.size(); ++i) RETURN_IF_ERROR(tables[i].Add(contents_.tables[chosen_[i]]));
      return tensors_.empty() ? Status() : KeepDense();
    }));
    for (TableExport& table : tables) RETURN_IF_ERROR(table.Finish());
    return {};
  }

  Status WriteTensors(const std::string& out) {
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const proto::TensorSpec& tensor = reader_->model().tensor(static_cast<int>(i));
      ASSIGN_OR_RETURN(const auto file, CreateNpy(JoinPath(out, FileName(tensor.name()) + ".npy"), "<f4",
                                                  {tensor.rows(), tensor.cols()}));
      RETURN_IF_ERROR(file->Append(std::as_bytes(std::span(tensors_[i]))));
      RETURN_IF_ERROR(file->Finish());
    }
    return {};
  }

 private:
  template <class Function>
  Status ForEachSlot(const Function& function) {
    for (Slot slot = 0; slot < kSlots; ++slot) {
      RETURN_IF_ERROR(reader_->ReadSlot(slot, &contents_));
      RETURN_IF_ERROR(function());
    }
    return {};
  }

  Status KeepDense() {
    for (const CheckpointSlot::Dense& block : contents_.dense) {
      std::vector<float>& tensor = tensors_[block.tensor];
      if (block.length > tensor.size() || block.first > tensor.size() - block.length) {
        return Status::BadData("tensor '" + reader_->model().tensor(static_cast<int>(block.tensor)).name() +
                               "' has a dense block beyond its end");
      }
      std::copy_n(block.values.begin(), block.length, tensor.begin() + block.first);
    }
    return {};
  }

  std::unique_ptr<CheckpointReader> reader_;
  std::vector<std::size_t> chosen_;  // numbers of tables
  std::vector<std::uint64_t> rows_;  // of each of them
  std::vector<std::vector<float>> tensors_;
  CheckpointSlot contents_;
};

}  // namespace

Status ExportCheckpoint(const std::string& dir, const std::string& out, const ExportOptions& options) {
  ASSIGN_OR_RETURN(Exporter exporter, Exporter::Make(dir, options));
  ASSIGN_OR_RETURN(OutputFolder folder, OutputFolder::Make(out));
  RETURN_IF_ERROR(exporter.CountRows());
  RETURN_IF_ERROR(exporter.WriteTables(out, options.format));
  RETURN_IF_ERROR(exporter.WriteTensors(out));
  return folder.Keep();
}

}  // namespace sherd
