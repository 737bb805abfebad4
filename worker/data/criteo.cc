#include <emmintrin.h>

#include <array>
#include <bit>
#include <cstring>

#include "worker/data/row_parser.h"

namespace sherd {
namespace {

constexpr int kColumns = 40;  // label, I1..I13, C1..C26

constexpr int kBlock = 64;

// Bit i tells whether text[i] is a TAB, for 64 bytes.
inline std::uint64_t TabMask(const char* text) {
  std::uint64_t mask = 0;
  for (int i = 0; i < kBlock; i += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + i));
    const int bits = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')));
    mask |= std::uint64_t{static_cast<std::uint16_t>(bits)} << i;
  }
  return mask;
}

class CriteoParser : public RowParser {
 public:
  CriteoParser(const proto::Job& job, const Schema& schema, Labels labels) : RowParser(job, schema, labels) {
    for (const Schema::Column& column : schema.columns) {
      const int number = std::stoi(column.name.substr(1));
      position_.push_back(column.name[0] == 'I' ? number : 13 + number);
    }
  }

 protected:
  bool Split(std::string_view line, Row* row, RowError* error) override {
    const int columns = FindTabs(line) + 1;
    const bool unlabelled = columns == kColumns - 1 && labels_ == Labels::kIgnored;
    if (columns != kColumns && !unlabelled) {
      return Refuse(error, "40 columns separated by TAB expected", std::to_string(columns));
    }
    row->label_text = unlabelled ? std::string_view() : Field(line, 0);
    for (std::size_t i = 0; i < position_.size(); ++i) {
      row->values[i].text = Field(line, position_[i] - unlabelled);
    }
    return true;
  }

 private:
  // Fills the ends of the fields; returns the number of TABs, of which only those that fit are kept.
  int FindTabs(std::string_view line) {
    int tabs = 0;
    std::size_t i = 0;
    for (; i + kBlock <= line.size(); i += kBlock) tabs = Note(TabMask(line.data() + i), i, tabs);
    char tail[kBlock] = {};
    std::memcpy(tail, line.data() + i, line.size() - i);
    tabs = Note(TabMask(tail), i, tabs);
    if (tabs < kColumns) end_[tabs] = static_cast<std::uint32_t>(line.size());
    return tabs;
  }

  // Writes by eights, whatever lies behind the last: a loop whose end cannot be foreseen would cost more.
  int Note(std::uint64_t mask, std::size_t base, int tabs) {
    const int count = std::popcount(mask);
    if (tabs < kColumns) {
      std::uint32_t* out = end_.data() + tabs;
      for (int written = 0; written < count; written += 8) {
        for (int i = 0; i < 8; ++i, mask &= mask - 1) {
          *out++ = static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(std::countr_zero(mask));
        }
      }
    }
    return tabs + count;
  }

  std::string_view Field(std::string_view line, int i) const {
    const std::uint32_t begin = i == 0 ? 0 : end_[i - 1] + 1;
    return {line.data() + begin, end_[i] - begin};
  }

  std::vector<int> position_;  // of each column of the schema in the line
  std::array<std::uint32_t, kColumns + kBlock> end_;
};

}  // namespace

std::unique_ptr<RowParser> MakeCriteoParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels) {
  return std::make_unique<CriteoParser>(job, schema, labels);
}

}  // namespace sherd
