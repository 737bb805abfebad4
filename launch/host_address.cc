#include "launch/host_address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "base/host_name.h"

namespace sherd {
namespace {

struct Interface {
  std::string name, address;
  bool loopback;
};

std::string AddressText(const sockaddr* address) {
  char text[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  return text;
}

std::vector<Interface> Interfaces() {
  std::vector<Interface> interfaces;
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return interfaces;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_UP) == 0) continue;
    interfaces.push_back({i->ifa_name, AddressText(i->ifa_addr), (i->ifa_flags & IFF_LOOPBACK) != 0});
  }
  return interfaces;
}

std::string Resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* list = nullptr;
  if (getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return "";
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, &freeaddrinfo);
  return list == nullptr ? "" : AddressText(list->ai_addr);
}

}  // namespace

Result<std::string> HostAddress(const std::string& interface) {
  const std::vector<Interface> interfaces = Interfaces();
  std::string known;
  for (const Interface& i : interfaces) {
    if (i.name == interface || i.address == interface) return i.address;
    known.append(known.empty() ? "" : ", ").append(i.name).append(" ").append(i.address);
  }
  if (!interface.empty()) {
    return Status::Invalid("host " + HostName() + " has no network interface " + interface + ", only " + known);
  }
  const std::string resolved = Resolve(HostName());
  if (!resolved.empty() && !resolved.starts_with("127.")) return resolved;
  for (const Interface& i : interfaces) {
    if (!i.loopback) return i.address;
  }
  return std::string("127.0.0.1");
}

}  // namespace sherd
