#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/observer.h"

namespace sherd {

// A JSON object on one line, built field by field: valid JSON whatever the values are (text that is not UTF-8 gets
// replacement characters, NaN and infinities become null). Thread-compatible.
class JsonLine {
 public:
  explicit JsonLine(std::string_view event) { Add("event", event); }

  JsonLine& Add(std::string_view name, std::string_view value);
  JsonLine& Add(std::string_view name, const char* value) { return Add(name, std::string_view(value)); }
  JsonLine& Add(std::string_view name, double value);
  JsonLine& Add(std::string_view name, std::uint64_t value);
  JsonLine& Add(std::string_view name, std::uint32_t value) { return Add(name, std::uint64_t{value}); }
  JsonLine& Add(std::string_view name, bool value);
  JsonLine& Add(std::string_view name, const Metrics& metrics);                            // an object
  JsonLine& Add(std::string_view name, const std::vector<StageReport>& stages);            // an array of objects
  JsonLine& Add(std::string_view name, const std::vector<SlowRank>& ranks);                // an array of objects
  JsonLine& Add(std::string_view name, const std::vector<FileRows>& files);                // an array of objects
  JsonLine& Add(std::string_view name, const std::map<std::string, Interval>& intervals);  // an object of [low, high]
  JsonLine& Add(std::string_view name, const std::vector<CalibrationBucket>& buckets);     // an array of objects
  JsonLine& Add(std::string_view name, const std::map<std::string, PairedDifference>& differences);  // of objects
  // An array of objects with all counts; the last refused key, which a number of JSON may not hold, is a text.
  JsonLine& Add(std::string_view name, const std::vector<proto::TableStatus>& tables);

  // With its closing brace, without the end of the line.
  std::string text() const { return text_ + "}"; }

 private:
  JsonLine() = default;  // of no event
  void Name(std::string_view name);

  std::string text_ = "{";
};

}  // namespace sherd
