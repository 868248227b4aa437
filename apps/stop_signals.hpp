// What asks a run to end: Ctrl-C, kill and batch systems, a terminal that is closed, a reader of our
// output that has gone.
#pragma once

#include <array>
#include <csignal>
#include <string>

namespace tapesort {

// While it lives, SIGINT, SIGTERM, SIGHUP and SIGPIPE call `handler`. A SIGHUP that was ignored
// before, by nohup, stays ignored.
class StopSignals {
 public:
  explicit StopSignals(void (*handler)(int signal, siginfo_t* info, void* context));
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  static constexpr std::array<int, 4> signals_{SIGINT, SIGTERM, SIGHUP, SIGPIPE};
  std::array<struct sigaction, 4> before_;
};

// "SIGTERM".
std::string signal_name(int signal);

// What a program returns that such a signal ended, as shells have it.
constexpr int status_of_signal(int signal) { return 128 + signal; }

}  // namespace tapesort
