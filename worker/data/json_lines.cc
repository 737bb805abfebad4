#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include <cstring>
#include <vector>

#include "worker/data/named_columns.h"
#include "worker/data/row_parser.h"

namespace sherd {
namespace {

namespace json = simdjson::ondemand;

class JsonParser : public RowParser {
 public:
  JsonParser(const proto::Job& job, const Schema& schema, Labels labels)
      : RowParser(job, schema, labels), named_(job, schema) {}

 protected:
  bool Split(std::string_view line, Row* row, RowError* error) override {
    // simdjson reads some bytes behind its text.
    if (text_.size() < line.size() + simdjson::SIMDJSON_PADDING)
      text_.resize(2 * line.size() + simdjson::SIMDJSON_PADDING);
    std::memcpy(text_.data(), line.data(), line.size());
    std::memset(text_.data() + line.size(), 0, simdjson::SIMDJSON_PADDING);
    json::document document;
    json::object object;
    if (const auto fault = parser_.iterate(text_.data(), line.size(), text_.size()).get(document)) {
      return RefuseText(fault, line, error);
    }
    if (document.get_object().get(object)) return Refuse(error, "JSON object expected", line);
    named_.Begin(row);
    for (auto member : object) {
      json::field field;
      if (const auto fault = std::move(member).get(field)) return RefuseText(fault, line, error);
      if (!ReadField(&field, line, row, error)) return false;
    }
    const char* rest;
    if (!document.current_location().get(rest)) return Refuse(error, "one JSON object expected", line);
    named_.End(row);
    return true;
  }

 private:
  static bool RefuseText(simdjson::error_code fault, std::string_view line, RowError* error) {
    return Refuse(error, std::string("JSON expected (") + simdjson::error_message(fault) + ")", line);
  }

  bool ReadField(json::field* field, std::string_view line, Row* row, RowError* error) {
    std::string_view name;
    if (const auto fault = field->unescaped_key().get(name)) return RefuseText(fault, line, error);
    int column;
    if (!named_.Find(name, &column, error)) return false;
    if (column < 0) return true;
    json::value value = field->value();
    json::json_type type;
    if (const auto fault = value.type().get(type)) return RefuseText(fault, line, error);
    if (type == json::json_type::array) return ReadList(value, column, row, error);
    std::string_view text;
    if (!ReadScalar(value, column, &text, error)) return false;
    if (!text.empty()) named_.Set(column, text, row);
    return true;
  }

  bool ReadList(json::value value, int column, Row* row, RowError* error) {
    json::array array;
    const std::string& name = schema_.columns[column].name;
    if (value.get_array().get(array)) return Refuse(error, "list expected", "", name);
    if (!named_.BeginList(column, error)) return false;
    for (auto element : array) {
      json::value one;
      std::string_view text;
      if (std::move(element).get(one)) return Refuse(error, "list of texts and numbers expected", "", name);
      if (!ReadScalar(one, column, &text, error)) return false;
      if (!text.empty()) named_.Append(column, text);
    }
    named_.EndList(column, row);
    return true;
  }

  // The text of a value: a string's characters, a number as it stands there, empty for null.
  bool ReadScalar(json::value value, int column, std::string_view* text, RowError* error) {
    json::json_type type;
    const std::string& name = schema_.columns[column].name;
    if (value.type().get(type)) return Refuse(error, "JSON value expected", "", name);
    switch (type) {
      case json::json_type::string:
        if (!value.get_string().get(*text)) return true;
        return Refuse(error, "JSON string expected", value.raw_json_token(), name);
      case json::json_type::number: {
        const std::string_view token = value.raw_json_token();
        *text = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
        json::number number;
        return !value.get_number().get(number) || Refuse(error, "JSON number within 64 bits expected", *text, name);
      }
      case json::json_type::boolean: {
        bool is_true;
        if (value.get_bool().get(is_true)) return Refuse(error, "true or false expected", "", name);
        *text = is_true ? "1" : "0";
        return true;
      }
      case json::json_type::null: {
        bool is_null;
        *text = {};
        return (!value.is_null().get(is_null) && is_null) || Refuse(error, "null expected", "", name);
      }
      case json::json_type::array:
      case json::json_type::object:
        break;
    }
    return Refuse(error, "text or number expected", "object or list", name);
  }

  NamedColumns named_;
  std::vector<char> text_;
  json::parser parser_;
};

}  // namespace

std::unique_ptr<RowParser> MakeJsonParser(const proto::Job& job, const Schema& schema, RowParser::Labels labels) {
  return std::make_unique<JsonParser>(job, schema, labels);
}

}  // namespace sherd
