#include "bench/server_process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "net/zmq_network.h"

namespace sherd::bench {
namespace {

[[noreturn]] void RunChild(const ServerProcess::Serve& serve, int pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_NAME, "bench-server");
  const auto network = ZmqNetwork::Create({.job = kBenchJob, .keys = {}});
  if (!network.ok()) _exit(1);
  std::unique_ptr<Mailbox> mailbox = network.value()->Open();
  if (!mailbox->Bind("tcp://127.0.0.1:*").ok()) _exit(1);
  const std::string endpoint = mailbox->endpoint();
  if (write(pipe, endpoint.data(), endpoint.size()) < 0) _exit(1);
  close(pipe);
  serve(network.value().get(), std::move(mailbox));
  _exit(0);
}

}  // namespace

Result<std::unique_ptr<ServerProcess>> ServerProcess::Start(const Serve& serve) {
  std::array<int, 2> ends;
  if (pipe(ends.data()) != 0) return Status::Io("make a pipe", errno);
  const pid_t pid = fork();
  if (pid < 0) return Status::Io("fork a server", errno);
  if (pid == 0) {
    close(ends[0]);
    RunChild(serve, ends[1]);
  }
  close(ends[1]);
  std::string endpoint;
  std::array<char, 256> part;
  for (ssize_t n; (n = read(ends[0], part.data(), part.size())) > 0;) endpoint.append(part.data(), n);
  close(ends[0]);
  std::unique_ptr<ServerProcess> process(new ServerProcess(pid, std::move(endpoint)));
  if (process->endpoint().empty()) return Status::Unavailable("a server process did not start");
  return process;
}

ServerProcess::~ServerProcess() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

double ServerProcess::CpuSeconds() const {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace sherd::bench
