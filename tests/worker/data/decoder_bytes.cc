#include "tests/worker/data/decoder_bytes.h"

#include <google/protobuf/text_format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <utility>

#include "models/feature_layout.h"
#include "worker/data/dataset.h"
#include "worker/data/feature_encoder.h"
#include "worker/data/row_decoder.h"
#include "worker/data/text_file.h"
#include "worker/data/unpackers.h"

namespace sherd {
namespace {

constexpr std::uint32_t kMaxRows = 256;  // that are encoded

constexpr char kNamed[] =
    "label: 'y' missing: 'NA' column { name: 'y' } column { name: 'n' type: INTEGER } column { name: 'f' type: FLOAT } "
    "column { name: 'a' } column { name: 'l' } } } feature { column: 'n' bucket {} } "
    "feature { column: 'f' number { transform: LOG } } feature { column: 'a' categorical { token_is_key: true } } "
    "feature { column: 'l' categorical { separator: ',' pooling: MEAN } }";

// The job of each decoder of rows: data's settings and the features.
std::map<std::string, std::string> RowJobs() {
  return {
      {"delimited", std::string("format: DELIMITED delimited { header: true trim: true comment: '#' ") + kNamed},
      {"criteo",
       "format: CRITEO_TSV } feature { column: 'I1..I13' bucket {} } feature { column: 'C1..C26' } "
       "feature { name: 'n' column: 'I2' number { transform: LOG } } "
       "feature { name: 'l' column: 'C2' categorical { separator: 'a' pooling: MEAN } }"},
      {"libsvm", "format: LIBSVM } feature { column: 'features' categorical { pooling: MEAN } }"},
      {"libffm", "format: LIBFFM libffm { fields: 3 } } feature { column: 'F2' } feature { column: 'F0' }"},
      {"json_lines", std::string("format: JSON_LINES delimited { ") + kNamed},
      {"tf_record", std::string("format: TF_RECORD delimited { ") + kNamed},
  };
}

proto::Job MakeJob(const std::string& data) {
  proto::Job job;
  CHECK(google::protobuf::TextFormat::ParseFromString("name: 'fuzz' model { name: 'lr' } data { " + data, &job));
  return job;
}

std::string WriteFile(std::string_view bytes) {
  const char* folder = std::getenv("TEST_TMPDIR");
  const std::string path =
      std::string(folder == nullptr ? "/tmp" : folder) + "/sherd-decoder-" + std::to_string(getpid());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"), std::fclose);
  CHECK(file != nullptr);
  CHECK_EQ(std::fwrite(bytes.data(), 1, bytes.size(), file.get()), bytes.size());
  return path;
}

struct Rows {
  std::vector<std::pair<std::uint64_t, std::string>> texts;  // with their offsets
  std::vector<std::string> faults;                           // by row; empty: none
  Minibatch minibatch;
  bool whole = false;
};

// A parser and an encoder put together by hand: what a RowDecoder with a way of its own must agree with.
class PlainDecoder {
 public:
  PlainDecoder(std::unique_ptr<RowParser> parser, FeatureEncoder encoder)
      : parser_(std::move(parser)), encoder_(std::move(encoder)) {}
  bool Parse(std::string_view text, RowError* error) { return parser_->Parse(text, &row_, error); }
  void Begin(std::uint32_t max_rows, Minibatch* minibatch) const { encoder_.Begin(max_rows, minibatch); }
  void Add(Minibatch* minibatch) {
    encoder_.Add(row_, minibatch);
    minibatch->labels.push_back(row_.label);
  }
  void End(Minibatch* minibatch) const { encoder_.End(minibatch); }

 private:
  const std::unique_ptr<RowParser> parser_;
  FeatureEncoder encoder_;
  Row row_;
};

// Decodes rows, as long as `next` gives some.
template <typename Decoder, typename Next>
Rows Decode(Decoder* decoder, const Next& next) {
  Rows rows;
  decoder->Begin(kMaxRows, &rows.minibatch);
  RowError error;
  for (RowText text; next(&text);) {
    rows.texts.emplace_back(text.offset, text.text);
    rows.faults.emplace_back();
    if (!decoder->Parse(text.text, &error)) {
      CHECK(!error.expected.empty());
      rows.faults.back() = error.expected + ", " + error.got + ", " + error.column;
    } else if (rows.minibatch.rows < kMaxRows) {
      decoder->Add(&rows.minibatch);
      ++rows.minibatch.rows;
    }
  }
  decoder->End(&rows.minibatch);
  rows.whole = true;
  return rows;
}

void RunRows(const std::string& settings, std::string_view bytes) {
  const proto::Job job = MakeJob(settings);
  InputFile input{WriteFile(bytes), bytes.size(), Compression::kNone};
  TextRules rules{job.data().delimited().header(), job.data().delimited().comment()};
  if (job.data().format() == proto::Data::TF_RECORD) rules.framing = TextRules::Framing::kTfRecord;
  const auto file = TextFile::Open(std::move(input), rules);
  if (!file.ok()) return;
  const auto lines = (*file)->Lines();
  CHECK(lines.ok());
  const FeatureLayout layout = FeatureLayout::Make(job).value();
  const Schema schema = Schema::Make(job, layout).value();
  constexpr auto kLabels = RowParser::Labels::kNeeded;
  const std::string &path = (*file)->path(), &header = (*file)->header();
  auto parser = RowParser::Make(job, schema, kLabels, path, header);
  auto decoder = RowDecoder::Make(job, layout, schema, {}, path, header, {.labels = kLabels});
  CHECK_EQ(parser.ok(), decoder.ok());
  if (!parser.ok()) return;
  PlainDecoder plain(std::move(parser.value()), FeatureEncoder::Make(layout, schema, {}).value());
  Status fault;
  const Rows streamed = Decode(&plain, [&](RowText* text) {
    for (Line line;;) {
      const Result<bool> more = (*lines)->Next(&line);
      fault = more.status();
      if (!more.ok() || !*more) return false;
      if (!(*file)->IsRow(line)) continue;
      *text = {line.text, line.offset};
      return true;
    }
  });
  const Result<bool> loaded = (*file)->Load(64 << 20);
  CHECK_EQ(loaded.ok(), fault.ok()) << fault.text();
  if (!loaded.ok()) return;
  CHECK(*loaded);
  std::uint32_t at = 0;
  const Rows held = Decode(decoder->get(), [&](RowText* text) {
    if (at == (*file)->rows()) return false;
    *text = (*file)->row(at++);
    return true;
  });
  CHECK_EQ(streamed.whole, held.whole);
  CHECK(streamed.texts == held.texts);
  CHECK(streamed.faults == held.faults);
  CHECK_EQ(streamed.minibatch.rows, held.minibatch.rows);
  CHECK(streamed.minibatch.labels == held.minibatch.labels);
  CHECK(streamed.minibatch.numbers == held.minibatch.numbers);
  for (std::size_t t = 0; t < held.minibatch.tables.size(); ++t) {
    CHECK(streamed.minibatch.tables[t].keys == held.minibatch.tables[t].keys);
    CHECK(streamed.minibatch.tables[t].offsets == held.minibatch.tables[t].offsets);
    CHECK(streamed.minibatch.tables[t].weights == held.minibatch.tables[t].weights);
  }
}

void RunUserItem(std::string_view bytes, const std::string& settings, const std::string& features) {
  const proto::Job job = MakeJob("format: USER_ITEM train: '" + WriteFile(bytes) +
                                 "' user_item { leave_one_out: true " + settings + " } } " + features);
  const FeatureLayout layout = FeatureLayout::Make(job).value();
  const auto dataset = Dataset::Open(job, layout, {});
  if (!dataset.ok()) return;
  const auto chunks = (*dataset)->Chunks(proto::Chunk::TRAIN, 0, 1);
  if (!chunks.ok()) return;
  for (const proto::Chunk& chunk : *chunks) {
    const auto reader = (*dataset)->Read(chunk, 0, 0);
    CHECK(reader.ok()) << reader.status().text();
    for (Minibatch minibatch;;) {
      const Result<bool> more = (*reader)->Next(&minibatch);
      if (!more.ok() || !*more) break;
    }
  }
}

void RunPairs(std::string_view bytes) {
  const std::string pair = "feature { column: 'user' } feature { column: 'item' }",
                    history = "feature { column: 'history' }";
  RunUserItem(bytes, "time_column: 2", pair);
  RunUserItem(bytes, "time_column: 2 sequences { max_length: 3 }", pair + history);
  RunUserItem(bytes, "item_list: true sequences { max_length: 3 }", pair + history);
}

class StringBytes : public ByteSource {
 public:
  StringBytes(std::string_view rest, std::size_t piece) : rest_(rest), piece_(piece) {}
  Result<std::size_t> Read(char* data, std::size_t size) override {
    const std::size_t n = rest_.copy(data, std::min(size, piece_));
    rest_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view rest_;
  const std::size_t piece_;
};

using Unpack = Result<std::unique_ptr<ByteSource>> (*)(const std::string&, std::unique_ptr<ByteSource>);

// The unpacked bytes, at most 16 MiB of them, and whether they end well.
std::pair<std::string, bool> Unpacked(Unpack unpack, std::string_view bytes, std::size_t piece, std::size_t room) {
  const auto source = unpack("bytes", std::make_unique<StringBytes>(bytes, piece));
  if (!source.ok()) return {};
  std::string text;
  std::vector<char> buffer(room);
  while (text.size() < 16 << 20) {
    const Result<std::size_t> n = (*source)->Read(buffer.data(), buffer.size());
    if (!n.ok()) return {text, false};
    if (*n == 0) break;
    text.append(buffer.data(), *n);
  }
  text.resize(std::min<std::size_t>(text.size(), 16 << 20));
  return {text, true};
}

void RunUnpacker(Unpack unpack, std::string_view bytes) {
  const auto at_once = Unpacked(unpack, bytes, bytes.size() + 1, 1 << 20);
  const auto in_pieces = Unpacked(unpack, bytes, 7, 1000);
  CHECK_EQ(at_once.second, in_pieces.second);
  if (at_once.second) CHECK(at_once.first == in_pieces.first);
}

}  // namespace

std::vector<std::string> DecoderNames() {
  std::vector<std::string> names = {"user_item", "gzip", "zstd", "xz"};
  for (const auto& [name, job] : RowJobs()) names.push_back(name);
  return names;
}

void RunDecoder(const std::string& decoder, std::string_view bytes) {
  if (bytes.empty()) return;
  if (decoder == "gzip") return RunUnpacker(UnpackGzip, bytes);
  if (decoder == "zstd") return RunUnpacker(UnpackZstd, bytes);
  if (decoder == "xz") return RunUnpacker(UnpackXz, bytes);
  if (decoder == "user_item") return RunPairs(bytes);
  static const std::map<std::string, std::string> jobs = RowJobs();
  RunRows(jobs.at(decoder), bytes);
}

}  // namespace sherd
