#include "launch/prediction_file.h"

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>

namespace sherd {

Result<std::unique_ptr<PredictionFile>> PredictionFile::Create(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) return Status::Invalid("--output: " + path + " is a folder");
  auto writer = FileWriter::Create(path + ".new");
  if (!writer.ok()) return writer.status().Annotate("--output");
  return std::unique_ptr<PredictionFile>(new PredictionFile(path, std::move(*writer)));
}

PredictionFile::~PredictionFile() {
  if (writer_ != nullptr) std::remove((path_ + ".new").c_str());
}

Status PredictionFile::Write(std::span<const float> predictions) {
  std::string lines;
  char text[32];
  for (const float prediction : predictions) {
    if (!std::isnan(prediction)) lines.append(text, std::to_chars(text, text + sizeof text, prediction).ptr);
    lines += '\n';
  }
  return writer_->Append(std::as_bytes(std::span(lines)));
}

Status PredictionFile::Finish() {
  RETURN_IF_ERROR(writer_->Finish());
  if (std::rename((path_ + ".new").c_str(), path_.c_str()) != 0) return Status::Io("rename to " + path_, errno);
  writer_.reset();
  return {};
}

}  // namespace sherd
