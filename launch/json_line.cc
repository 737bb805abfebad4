#include "launch/json_line.h"

#include <google/protobuf/descriptor.h>

#include <charconv>
#include <cmath>
#include <cstdio>

namespace sherd {
namespace {

// Length of the UTF-8 sequence at the front of `text` (RFC 3629: no overlong forms, no surrogates), 0 if it is none.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && second < 0xa0, surrogate = first == 0xed && second > 0x9f;
    return tail(1) && tail(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && second < 0x90, beyond = first == 0xf4 && second > 0x8f;
    return tail(1) && tail(2) && tail(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

void AppendString(std::string_view value, std::string* out) {
  *out += '"';
  while (!value.empty()) {
    const std::size_t length = Utf8Length(value);
    const char c = value[0];
    if (length == 0) {
      *out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      *out += {'\\', c};
    } else if (length == 1 && (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(c));
      *out += escape;
    } else {
      *out += value.substr(0, length);
    }
    value.remove_prefix(std::max<std::size_t>(length, 1));
  }
  *out += '"';
}

void AppendNumber(double value, std::string* out) {
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  char text[32];
  out->append(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace

void JsonLine::Name(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  AppendString(name, &text_);
  text_ += ':';
}

JsonLine& JsonLine::Add(std::string_view name, std::string_view value) {
  Name(name);
  AppendString(value, &text_);
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, double value) {
  Name(name);
  AppendNumber(value, &text_);
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, std::uint64_t value) {
  Name(name);
  text_ += std::to_string(value);
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, bool value) {
  Name(name);
  text_ += value ? "true" : "false";
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const Metrics& metrics) {
  Name(name);
  text_ += '{';
  for (const auto& [metric, value] : metrics) {
    if (text_.back() != '{') text_ += ',';
    AppendString(metric, &text_);
    text_ += ':';
    AppendNumber(value, &text_);
  }
  text_ += '}';
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const std::map<std::string, Interval>& intervals) {
  JsonLine object;
  for (const auto& [metric, interval] : intervals) {
    object.Name(metric);
    object.text_ += '[';
    AppendNumber(interval.low, &object.text_);
    object.text_ += ',';
    AppendNumber(interval.high, &object.text_);
    object.text_ += ']';
  }
  Name(name);
  text_ += object.text();
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const std::vector<CalibrationBucket>& buckets) {
  Name(name);
  text_ += '[';
  for (const CalibrationBucket& bucket : buckets) {
    if (text_.back() != '[') text_ += ',';
    JsonLine object;
    object.Add("weight", bucket.weight).Add("predicted", bucket.predicted);
    text_ += object.Add("observed", bucket.observed).text();
  }
  text_ += ']';
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const std::map<std::string, PairedDifference>& differences) {
  JsonLine objects;
  for (const auto& [metric, of_metric] : differences) {
    JsonLine object;
    object.Add("difference", of_metric.difference).Add("low", of_metric.interval.low);
    objects.Name(metric);
    objects.text_ += object.Add("high", of_metric.interval.high).Add("p", of_metric.p).text();
  }
  Name(name);
  text_ += objects.text();
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const std::vector<StageReport>& stages) {
  Name(name);
  text_ += '[';
  for (const StageReport& stage : stages) {
    if (text_.back() != '[') text_ += ',';
    JsonLine object;
    object.Add("name", stage.name).Add("threads", stage.threads).Add("worked", stage.worked);
    object.Add("waited_for_input", stage.waited_for_input).Add("waited_for_output", stage.waited_for_output);
    text_ += object.Add("cpu", stage.cpu).text();
  }
  text_ += ']';
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const std::vector<SlowRank>& ranks) {
  Name(name);
  text_ += '[';
  for (const SlowRank& rank : ranks) {
    if (text_.back() != '[') text_ += ',';
    JsonLine object;
    text_ += object.Add("name", rank.name).Add("times", rank.times).text();
  }
  text_ += ']';
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const std::vector<FileRows>& files) {
  Name(name);
  text_ += '[';
  for (const FileRows& file : files) {
    if (text_.back() != '[') text_ += ',';
    JsonLine object;
    object.Add("file", file.file).Add("read", file.read).Add("trained", file.trained).Add("bad", file.bad);
    text_ += object.Add("repeated", file.repeated).text();
  }
  text_ += ']';
  return *this;
}

JsonLine& JsonLine::Add(std::string_view name, const std::vector<proto::TableStatus>& tables) {
  Name(name);
  text_ += '[';
  for (const proto::TableStatus& table : tables) {
    if (text_.back() != '[') text_ += ',';
    text_ += '{';
    AppendString("name", &text_);
    text_ += ':';
    AppendString(table.name(), &text_);
    for (int i = 0; i < table.GetDescriptor()->field_count(); ++i) {
      const auto* const field = table.GetDescriptor()->field(i);
      if (field->name() == "name" || (field->name() == "refused_key" && !table.has_refused_key())) continue;
      const std::string value = std::to_string(table.GetReflection()->GetUInt64(table, field));
      text_ += ',';
      AppendString(field->name(), &text_);
      text_ += ':';
      field->name() == "refused_key" ? AppendString(value, &text_) : (void)(text_ += value);
    }
    text_ += '}';
  }
  text_ += ']';
  return *this;
}

}  // namespace sherd
