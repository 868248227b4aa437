#include "apps/stop_signals.hpp"

#include <cstring>

namespace tapesort {

StopSignals::StopSignals(void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  for (std::size_t i = 0; i < signals_.size(); ++i) {
    sigaction(signals_[i], nullptr, &before_[i]);
    const bool nohup = signals_[i] == SIGHUP && before_[i].sa_handler == SIG_IGN;
    if (!nohup) sigaction(signals_[i], &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < signals_.size(); ++i) sigaction(signals_[i], &before_[i], nullptr);
}

std::string signal_name(int signal) { return std::string("SIG") + sigabbrev_np(signal); }

}  // namespace tapesort
