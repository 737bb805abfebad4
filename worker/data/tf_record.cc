#include "worker/data/tf_record.h"

#include <bit>
#include <cstring>
#include <span>

#include "base/hash.h"
#include "proto/tf_example.pb.h"

namespace sherd {
namespace {

std::uint32_t MaskedCrc(std::string_view bytes) {
  return std::rotr(Crc32c(std::as_bytes(std::span(bytes))), 15) + 0xa282ead8u;
}

template <typename T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

template <typename T>
void AppendRaw(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

}  // namespace

bool ReadTfHeader(const char* header, std::uint64_t* length) {
  *length = Load<std::uint64_t>(header);
  return MaskedCrc({header, sizeof(*length)}) == Load<std::uint32_t>(header + sizeof(*length));
}

bool CheckTfRecord(std::string_view framed, std::string_view* record) {
  if (framed.size() < kTfFooterBytes) return false;
  *record = framed.substr(0, framed.size() - kTfFooterBytes);
  return MaskedCrc(*record) == Load<std::uint32_t>(framed.data() + record->size());
}

void AppendTfRecord(std::string_view record, std::string* out) {
  const std::uint64_t length = record.size();
  AppendRaw(length, out);
  AppendRaw(MaskedCrc({reinterpret_cast<const char*>(&length), sizeof(length)}), out);
  *out += record;
  AppendRaw(MaskedCrc(record), out);
}

struct TfExampleWriter::Example {
  proto::TfExample message;
  std::string bytes;

  proto::TfFeature* Add(std::string_view name) {
    proto::TfNamedFeature* named = message.mutable_features()->add_feature();
    named->set_name(name.data(), name.size());
    return named->mutable_feature();
  }
};

TfExampleWriter::TfExampleWriter() : example_(std::make_unique<Example>()) {}
TfExampleWriter::~TfExampleWriter() = default;

void TfExampleWriter::Add(std::string_view name, std::string_view bytes) {
  example_->Add(name)->mutable_bytes_list()->add_value(bytes.data(), bytes.size());
}

void TfExampleWriter::Add(std::string_view name, float number) {
  example_->Add(name)->mutable_float_list()->add_value(number);
}

void TfExampleWriter::Add(std::string_view name, std::int64_t integer) {
  example_->Add(name)->mutable_int64_list()->add_value(integer);
}

void TfExampleWriter::Finish(std::string* out) {
  CHECK(example_->message.SerializeToString(&example_->bytes));
  AppendTfRecord(example_->bytes, out);
  example_->message.Clear();
}

Result<bool> TfRecordReader::Next(Line* line) {
  ASSIGN_OR_RETURN(const bool header, Need(kTfHeaderBytes));
  if (!header && unread().empty()) return false;
  if (!header) return CutShort();
  std::uint64_t length;
  if (!ReadTfHeader(unread().data(), &length)) {
    return Status::BadData(path_ + ": record " + std::to_string(line_number() + 1) + ", at byte " +
                           std::to_string(next_offset()) + ", has a header whose checksum does not fit");
  }
  if (length > std::uint64_t{1} << 62) return CutShort();  // no file is as long
  *line = {{}, next_offset(), length > kMaxLineBytes};
  if (line->too_long) {
    ASSIGN_OR_RETURN(const bool whole, Skip(kTfHeaderBytes + length + kTfFooterBytes));
    if (!whole) return CutShort();
  } else {
    const std::size_t framed = static_cast<std::size_t>(length) + kTfFooterBytes;
    ASSIGN_OR_RETURN(const bool whole, Need(kTfHeaderBytes + framed));
    if (!whole) return CutShort();
    line->text = unread().substr(kTfHeaderBytes, framed);
    Pass(kTfHeaderBytes + framed);
  }
  CountLine();
  return true;
}

Status TfRecordReader::CutShort() const {
  return Status::BadData(path_ + ": record " + std::to_string(line_number() + 1) + ", at byte " +
                         std::to_string(next_offset()) + ", is cut short by the end of the file");
}

}  // namespace sherd
