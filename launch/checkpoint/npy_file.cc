#include "launch/checkpoint/npy_file.h"

namespace sherd {

std::string NpyHeader(const std::string& type, const std::vector<std::uint64_t>& shape) {
  constexpr std::size_t kPreamble = 10, kAlignment = 64;  // magic, version, length; of the data's begin
  std::string text = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  text += shape.size() == 1 ? ",), }" : "), }";  // as Python writes a tuple
  text.append(kAlignment - 1 - (kPreamble + text.size()) % kAlignment, ' ') += '\n';
  std::string header = "\x93NUMPY";
  header += {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)};
  return header + text;
}

}  // namespace sherd
