// What the page's JavaScript asks of the library: JSON text in, JSON text out. It knows nothing of
// browsers, so that the same answers can be had, and tested, anywhere.
#pragma once

#include <memory>
#include <string>

namespace tapesort {

class Study;
class Training;

// A question is an object whose key "ask" names one of these; the others are what it needs. Numbers
// in an answer have all their digits; one that is not finite is null.
//
//   tape       program  -> what it records, forward and back  (program.cpp, replay/README.md)
//   functions  -> how the functions of the tape's programs are called                (program.cpp)
//   relax      method, scores, tau, ..  -> what a relaxation makes of the scores      (sort.cpp)
//   million    n, tau, seed             -> a large set, by the forms without a matrix
//   race       log_scores, seed         -> one order of Plackett-Luce, and its race   (race.cpp)
//   orders     log_scores, samples, seed -> how often each order came, and how often it should
//   study      cost, n, tau, ..         -> begins a comparison of gradient estimators
//   estimate   estimates                -> so many more of each; bias and variance so far
//   training   task, tau, seed, ..      -> begins a training                          (training.cpp)
//   train      steps                    -> so many more; loss and P_hat
//
// Whatever goes wrong is answered by {"error": "what, where, what was expected"}.
class Page {
 public:
  Page();
  ~Page();
  std::string answer(const std::string& question);

 private:
  std::unique_ptr<Study> study_;
  std::unique_ptr<Training> training_;
};

}  // namespace tapesort
