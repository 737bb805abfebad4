#include "worker/data/line_reader.h"

#include <gtest/gtest.h>

#include "tests/worker/data/data_testing.h"
#include "worker/data/text_file.h"

namespace sherd {
namespace {

// Bytes from memory, a few at a time.
class StringBytes : public ByteSource {
 public:
  StringBytes(std::string text, std::size_t piece) : text_(std::move(text)), piece_(piece) {}
  Result<std::size_t> Read(char* data, std::size_t size) override {
    const std::size_t n = std::min({size, piece_, text_.size() - at_});
    text_.copy(data, n, at_);
    at_ += n;
    return n;
  }

 private:
  const std::string text_;
  const std::size_t piece_;
  std::size_t at_ = 0;
};

struct Got {
  std::string text;
  std::uint64_t offset, number;
  bool too_long;
  friend bool operator==(const Got&, const Got&) = default;
};

std::vector<Got> Lines(const std::string& text, std::size_t piece) {
  LineReader reader(std::make_unique<StringBytes>(text, piece), 0, 1);
  std::vector<Got> lines;
  for (Line line; reader.Next(&line).value();) {
    lines.push_back({std::string(line.text), line.offset, reader.line_number(), line.too_long});
  }
  return lines;
}

TEST(LineReaderTest, KnowsEachLineWithItsPlace) {
  for (const std::size_t piece : {1, 2, 3, 100}) {
    EXPECT_EQ(
        Lines("ab\r\n\nc\rd\n\r\nlast", piece),
        (std::vector<Got>{
            {"ab", 0, 1, false}, {"", 4, 2, false}, {"c\rd", 5, 3, false}, {"", 9, 4, false}, {"last", 11, 5, false}}));
    EXPECT_EQ(Lines("", piece), std::vector<Got>{});
    EXPECT_EQ(Lines("a\n", piece), (std::vector<Got>{{"a", 0, 1, false}}));
  }
}

TEST(LineReaderTest, LinesOverTheLimitAreSkippedHoweverLong) {
  for (const std::size_t extra : {std::size_t{1}, kMaxLineBytes, 5 * kMaxLineBytes}) {
    const std::string longest(kMaxLineBytes, 'x'), longer(kMaxLineBytes + extra, 'y');
    const std::vector<Got> lines = Lines(longest + "\n" + longer + "\nz\n" + longer, 100'000);
    ASSERT_EQ(lines.size(), 4u);
    EXPECT_EQ(lines[0], (Got{longest, 0, 1, false}));
    EXPECT_EQ(lines[1], (Got{"", longest.size() + 1, 2, true}));
    EXPECT_EQ(lines[2], (Got{"z", longest.size() + longer.size() + 2, 3, false}));
    EXPECT_EQ(lines[3], (Got{"", longest.size() + longer.size() + 4, 4, true}));
  }
}

TEST(LineReaderTest, KeptLinesStayWhateverIsReadAfterThem) {
  TestRandom random(3);
  std::string text;
  while (text.size() < 9 * kMaxLineBytes) {
    const std::uint32_t kind = random.Next(400);
    const std::size_t length = kind == 0 ? kMaxLineBytes + 1 + random.Next(2 * kMaxLineBytes) : random.Next(3000);
    text += std::string(length, static_cast<char>('a' + random.Next(26))) + (random.Next(4) ? "\n" : "\r\n");
  }
  const std::vector<Got> expected = Lines(text, 1 << 20);
  for (const std::size_t piece : {std::size_t{100'000}, std::size_t{1} << 30}) {
    constexpr std::size_t kKept = 300'000;
    std::vector<char> room(kKept + LineReader::kLineRoom);
    LineReader reader(std::make_unique<StringBytes>(text, piece), 0, 1);
    Line line;
    std::vector<Got> lines;
    ASSERT_TRUE(reader.Next(&line).value());  // some may be read before
    lines.push_back({std::string(line.text), line.offset, reader.line_number(), line.too_long});
    reader.KeepLines(room);
    for (bool more = true; more;) {
      reader.Release();
      std::vector<std::pair<Line, std::uint64_t>> block;
      for (const std::uint64_t begin = reader.next_offset(); reader.next_offset() - begin < kKept;) {
        if (!(more = reader.Next(&line).value())) break;
        block.emplace_back(line, reader.line_number());
      }
      for (const auto& [one, number] : block)
        lines.push_back({std::string(one.text), one.offset, number, one.too_long});
    }
    ASSERT_EQ(lines.size(), expected.size());
    EXPECT_TRUE(lines == expected);
  }
}

std::vector<std::pair<std::string, std::uint64_t>> RowsBetween(const TextFile& file, std::uint64_t begin,
                                                               std::uint64_t end) {
  std::vector<std::pair<std::string, std::uint64_t>> rows;
  const auto reader = file.LinesFrom(begin).value();
  for (Line line; reader->Next(&line).value() && line.offset < end;) {
    if (file.IsRow(line)) rows.emplace_back(line.text, line.offset);
  }
  return rows;
}

TEST(TextFileTest, HeaderCommentsMarksAndEmptyLinesAreNoRows) {
  const TemporaryFolder folder;
  const std::string text = "\xef\xbb\xbf#c\nhead\n\n#c\nr1\r\n   \n\tr2\n#c\nr3";
  for (const std::string& bytes : {text, Gzip(text)}) {
    InputFile input{folder.Write("f", bytes), bytes.size(), bytes == text ? Compression::kNone : Compression::kGzip};
    auto file = TextFile::Open(input, {true, "#"}).value();
    EXPECT_EQ(file->header(), "head");
    EXPECT_EQ(file->Place(text.find("r3")), file->path() + ":9");  // counted in the file
    ASSERT_TRUE(file->Load(1000).value());
    ASSERT_EQ(file->rows(), 3u);
    EXPECT_EQ(file->row(0).text, "r1");
    EXPECT_EQ(file->row(1).text, "\tr2");
    EXPECT_EQ(file->row(2).text, "r3");
    EXPECT_EQ(file->row(2).offset, text.find("r3"));
    EXPECT_EQ(file->Place(text.find("r3")), file->path() + ":9");  // looked up
  }
}

TEST(TextFileTest, AnyCutsGiveEachRowToOneRange) {
  const TemporaryFolder folder;
  TestRandom random(1);
  std::string text = "\xef\xbb\xbfname\n";
  for (int i = 0; i < 40; ++i) text += std::string(random.Next(9), 'a') + (random.Next(3) ? "\n" : "\r\n");
  auto file = TextFile::Open({folder.Write("f", text), text.size(), Compression::kNone}, {true, ""}).value();
  const auto whole = RowsBetween(*file, 0, text.size());
  ASSERT_GT(whole.size(), 25u);
  for (std::uint64_t a = 0; a <= text.size(); a += 3) {
    for (std::uint64_t b = a; b <= text.size(); ++b) {
      auto rows = RowsBetween(*file, 0, a);
      for (const auto& range : {RowsBetween(*file, a, b), RowsBetween(*file, b, text.size())}) {
        rows.insert(rows.end(), range.begin(), range.end());
      }
      ASSERT_EQ(rows, whole) << a << " " << b;
    }
  }
}

TEST(TextFileTest, DoesNotLoadMoreThanItMay) {
  const TemporaryFolder folder;
  const std::string text(5000, '\n');
  for (const std::string& bytes : {text + "a", Gzip(text + "a")}) {
    const InputFile input{folder.Write("f", bytes), bytes.size(), DetectCompression(folder.path() + "/f").value()};
    EXPECT_FALSE(TextFile::Open(input, {}).value()->Load(5000).value());
    // The place of its one row takes memory, too.
    EXPECT_FALSE(TextFile::Open(input, {}).value()->Load(5016).value());
    EXPECT_TRUE(TextFile::Open(input, {}).value()->Load(5017).value());
  }
}

}  // namespace
}  // namespace sherd
