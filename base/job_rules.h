#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "base/status.h"

namespace sherd {

// The rules of proto/field_rules.proto, applied by reflection. Used by job_file.cc, which adds lines to what is found
// here.

// One set field of a message, or one element of a repeated one.
struct FieldPlace {
  const google::protobuf::Message* message;
  const google::protobuf::FieldDescriptor* field;
  int index;  // -1: not repeated
};

// "-5 is outside 1..1048576", for a number that breaks its field's rule; else empty. Other types have no limits.
std::string RuleViolation(const FieldPlace& place);

// The same, for a number's text that its type cannot even hold: "-5 is outside 0..4294967295", "x is not a number".
std::string TypeViolation(const google::protobuf::FieldDescriptor* field, const std::string& text);

// Fields that a rule requires and that are not set in `message` itself (not in those within it).
std::vector<const google::protobuf::FieldDescriptor*> MissingFields(const google::protobuf::Message& message);

// "BSP, BOUNDED, ASYNC".
std::string EnumNames(const google::protobuf::EnumDescriptor* type);

// Sets a field, or replaces all elements of a repeated one, by text: a number, true or false, an enum's name in any
// case, a string as it is; elements are separated by commas. Invalid says what the value should be, without naming the
// field.
Status SetFieldFromText(google::protobuf::Message* message, const google::protobuf::FieldDescriptor* field,
                        const std::string& text);

// The name among `names` that is most like `wrong`, when it is like enough to be what was meant; else empty.
std::string ClosestName(const std::string& wrong, const std::vector<std::string>& names);

}  // namespace sherd
