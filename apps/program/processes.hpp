// Running other programs, and the signals that ask this one to end: from Ctrl-C, kill and batch
// systems, a terminal that is closed, a reader of our output that has gone.
#pragma once

#include <sys/types.h>

#include <array>
#include <csignal>
#include <string>
#include <vector>

namespace tapesort {

constexpr std::array<int, 4> stop_signals{SIGINT, SIGTERM, SIGHUP, SIGPIPE};

// While it lives, these call `handler`. A SIGHUP that was ignored before, by nohup, stays ignored.
class StopSignals {
 public:
  explicit StopSignals(void (*handler)(int signal, siginfo_t* info, void* context));
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

 private:
  std::array<struct sigaction, stop_signals.size()> before_;
};

// "SIGTERM".
std::string signal_name(int signal);

// What a program returns that such a signal ended, as shells have it.
constexpr int status_of_signal(int signal) { return 128 + signal; }

// Starts a program, looked for along PATH if its name has no slash; its standard input, output and
// error are these descriptors. 0, or why it could not be started (errno).
int start(const std::vector<std::string>& words, const std::array<int, 3>& streams, pid_t& process);
// Waits for its end: the exit status, as a shell has it.
int status_at_end(pid_t process);

}  // namespace tapesort
