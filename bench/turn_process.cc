#include "bench/turn_process.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>

namespace sherd::bench {
namespace {

constexpr std::chrono::minutes kPatience(5);  // with its first turn, before which it reads its data

}  // namespace

Result<std::unique_ptr<TurnProcess>> TurnProcess::Start(const std::string& command) {
  ::signal(SIGPIPE, SIG_IGN);  // that it has ended is what Run says
  std::array<int, 2> orders, answers;
  if (::pipe(orders.data()) != 0) return Status::Io("make a pipe", errno);
  if (::pipe(answers.data()) != 0) return Status::Io("make a pipe", errno);
  const pid_t pid = ::fork();
  if (pid < 0) return Status::Io("fork for " + command, errno);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(orders[0], 0);
    ::dup2(answers[1], 1);
    for (const int end : {orders[0], orders[1], answers[0], answers[1]}) ::close(end);
    ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(orders[0]);
  ::close(answers[1]);
  return std::unique_ptr<TurnProcess>(new TurnProcess(command, pid, orders[1], answers[0]));
}

TurnProcess::~TurnProcess() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::close(orders_);
  ::close(answers_);
}

Result<TurnProcess::Turn> TurnProcess::Run(double seconds) {
  const std::string order = std::to_string(seconds) + "\n";
  if (::write(orders_, order.data(), order.size()) < 0) return Status::Io("ask for a turn of " + command_, errno);
  ASSIGN_OR_RETURN(const std::string line, ReadLine());
  Turn turn;
  if (std::sscanf(line.c_str(), "%lf %lf %lf", &turn.units, &turn.seconds, &turn.cpu_seconds) == 3 && turn.units > 0) {
    return turn;
  }
  return Status::BadData(command_ + " answers '" + line + "', not units, seconds and processor seconds");
}

Result<std::string> TurnProcess::ReadLine() const {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::string line;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    pollfd answer{.fd = answers_, .events = POLLIN, .revents = 0};
    if (left <= 0 || ::poll(&answer, 1, static_cast<int>(left)) == 0) {
      return Status::Unavailable(command_ + " has not ended its turn within minutes");
    }
    char c = 0;
    const ssize_t n = ::read(answers_, &c, 1);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Status::Unavailable(command_ + " has ended");
    if (c == '\n') return line;
    line += c;
  }
}

}  // namespace sherd::bench
