#include "base/job_rules.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

#include "proto/field_rules.pb.h"

namespace sherd {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string NumberText(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value);
  std::string shortest(text, end.ptr);
  // 1048576, not 1.048576e+06; but 1e-10 as it is.
  if (std::abs(value) < 1e15 && value == std::floor(value)) return std::to_string(static_cast<long long>(value));
  return shortest;
}

// A number as text and as what rules compare; integers above 2^53 lose nothing that a limit could see.
struct Number {
  double value;
  std::string text;
};

template <typename T>
Number MakeNumber(T value) {
  if constexpr (std::is_floating_point_v<T>) return {value, NumberText(value)};
  return {static_cast<double>(value), std::to_string(value)};
}

bool IsNumber(const FieldDescriptor* field) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
    case FieldDescriptor::CPPTYPE_INT64:
    case FieldDescriptor::CPPTYPE_UINT32:
    case FieldDescriptor::CPPTYPE_UINT64:
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return true;
    default:
      return false;
  }
}

Number NumberOf(const FieldPlace& place) {
  const Message& m = *place.message;
  const FieldDescriptor* f = place.field;
  const Reflection* r = m.GetReflection();
  const bool one = place.index < 0;
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return MakeNumber(one ? r->GetInt32(m, f) : r->GetRepeatedInt32(m, f, place.index));
    case FieldDescriptor::CPPTYPE_INT64:
      return MakeNumber(one ? r->GetInt64(m, f) : r->GetRepeatedInt64(m, f, place.index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return MakeNumber(one ? r->GetUInt32(m, f) : r->GetRepeatedUInt32(m, f, place.index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return MakeNumber(one ? r->GetUInt64(m, f) : r->GetRepeatedUInt64(m, f, place.index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return MakeNumber(one ? r->GetDouble(m, f) : r->GetRepeatedDouble(m, f, place.index));
    default:
      return MakeNumber(one ? r->GetFloat(m, f) : r->GetRepeatedFloat(m, f, place.index));
  }
}

bool IsUnsigned(const FieldDescriptor* field) {
  return field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32 || field->cpp_type() == FieldDescriptor::CPPTYPE_UINT64;
}

std::string TypeRange(const FieldDescriptor* field) {
  const auto range = [](auto limits) { return std::to_string(limits.min()) + ".." + std::to_string(limits.max()); };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return range(std::numeric_limits<std::int32_t>());
    case FieldDescriptor::CPPTYPE_INT64:
      return range(std::numeric_limits<std::int64_t>());
    case FieldDescriptor::CPPTYPE_UINT32:
      return range(std::numeric_limits<std::uint32_t>());
    default:
      return range(std::numeric_limits<std::uint64_t>());
  }
}

const proto::FieldRule& RuleOf(const FieldDescriptor* field) { return field->options().GetExtension(proto::rule); }

// "1..1048576", "0..1 without 0", "at least 3", "at most 5"; empty without limits.
std::string RangeText(const FieldDescriptor* field) {
  const proto::FieldRule& rule = RuleOf(field);
  const bool has_min = rule.has_min() || IsUnsigned(field);
  if (!rule.has_max() && !rule.has_min()) return "";
  if (!has_min) return "at most " + NumberText(rule.max());
  if (!rule.has_max()) return (rule.open_min() ? "above " : "at least ") + NumberText(rule.min());
  std::string text = NumberText(rule.has_min() ? rule.min() : 0) + ".." + NumberText(rule.max());
  if (rule.open_min()) text += " without " + NumberText(rule.min());
  if (rule.open_max()) text += " without " + NumberText(rule.max());
  return text;
}

std::string Outside(const std::string& value, const std::string& range) {
  const bool interval = range.find("..") != std::string::npos;
  return value + (interval ? " is outside " : " is not ") + range;
}

std::string Upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

template <typename T>
bool ParseNumber(const std::string& text, T* value) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// Sets or adds one value. False: the text is none of the field's type.
bool SetOne(Message* m, const FieldDescriptor* f, const std::string& text) {
  const Reflection* r = m->GetReflection();
  const bool add = f->is_repeated();
  const auto number = [&](auto value, auto set, auto append) {
    if (!ParseNumber(text, &value)) return false;
    add ? (r->*append)(m, f, value) : (r->*set)(m, f, value);
    return true;
  };
  switch (f->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return number(std::int32_t{}, &Reflection::SetInt32, &Reflection::AddInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return number(std::int64_t{}, &Reflection::SetInt64, &Reflection::AddInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return number(std::uint32_t{}, &Reflection::SetUInt32, &Reflection::AddUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return number(std::uint64_t{}, &Reflection::SetUInt64, &Reflection::AddUInt64);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return number(double{}, &Reflection::SetDouble, &Reflection::AddDouble);
    case FieldDescriptor::CPPTYPE_BOOL: {
      const std::string word = Upper(text);
      if (word != "TRUE" && word != "FALSE") return false;
      r->SetBool(m, f, word == "TRUE");
      return true;
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = f->enum_type()->FindValueByName(Upper(text));
      if (value != nullptr) r->SetEnum(m, f, value);
      return value != nullptr;
    }
    case FieldDescriptor::CPPTYPE_STRING:
      add ? r->AddString(m, f, text) : r->SetString(m, f, text);
      return true;
    default:
      LOG(FATAL) << f->full_name() << " cannot be set by text";
      return false;
  }
}

// Levenshtein's distance.
std::size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string RuleViolation(const FieldPlace& place) {
  if (!IsNumber(place.field)) return "";
  const proto::FieldRule& rule = RuleOf(place.field);
  const Number number = NumberOf(place);
  // Written so that NaN breaks every limit, and none passes where there is no limit either.
  const bool above = !rule.has_min() || (rule.open_min() ? number.value > rule.min() : number.value >= rule.min());
  const bool below = !rule.has_max() || (rule.open_max() ? number.value < rule.max() : number.value <= rule.max());
  if (!std::isfinite(number.value) && !rule.has_min() && !rule.has_max())
    return number.text + " is not a finite number";
  return above && below ? "" : Outside(number.text, RangeText(place.field));
}

std::string TypeViolation(const FieldDescriptor* field, const std::string& text) {
  const bool whole = !text.empty() && text.find_first_not_of("-0123456789") == std::string::npos;
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL) return text + " is not true or false";
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_ENUM)
    return text + " is not one of " + EnumNames(field->enum_type());
  if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) return text + " is not a number";
  if (!whole) return text + " is not a whole number";
  const std::string range = RangeText(field);
  return Outside(text, range.empty() ? TypeRange(field) : range);
}

std::vector<const FieldDescriptor*> MissingFields(const Message& message) {
  std::vector<const FieldDescriptor*> missing;
  const Reflection* reflection = message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* field = message.GetDescriptor()->field(i);
    if (!RuleOf(field).required()) continue;
    const bool set =
        field->is_repeated() ? reflection->FieldSize(message, field) > 0 : reflection->HasField(message, field);
    if (!set) missing.push_back(field);
  }
  return missing;
}

std::string EnumNames(const google::protobuf::EnumDescriptor* type) {
  std::string names;
  for (int i = 0; i < type->value_count(); ++i) names += (i == 0 ? "" : ", ") + type->value(i)->name();
  return names;
}

Status SetFieldFromText(Message* message, const FieldDescriptor* field, const std::string& text) {
  const Reflection* reflection = message->GetReflection();
  reflection->ClearField(message, field);
  std::vector<std::string> values{text};
  if (field->is_repeated()) {
    values.clear();
    std::istringstream in(text);
    for (std::string value; std::getline(in, value, ',');) values.push_back(value);
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!SetOne(message, field, values[i])) return Status::Invalid(TypeViolation(field, values[i]));
    const std::string problem = RuleViolation({message, field, field->is_repeated() ? static_cast<int>(i) : -1});
    if (!problem.empty()) return Status::Invalid(problem);
  }
  return {};
}

std::string ClosestName(const std::string& wrong, const std::vector<std::string>& names) {
  std::string best;
  std::size_t best_distance = wrong.size() / 3 + 1;  // more changed letters than that are another word
  for (const std::string& name : names) {
    const std::size_t distance = EditDistance(wrong, name);
    if (distance > best_distance || (distance == best_distance && !best.empty())) continue;
    best = name;
    best_distance = distance;
  }
  return best;
}

}  // namespace sherd
