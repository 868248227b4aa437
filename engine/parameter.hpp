// Parameters: what training changes.
#pragma once

#include <string>

#include "engine/tape.hpp"

namespace tapesort {

namespace detail {
// What a Parameter shares with the leaves that borrow its value. They may outlive it.
template <class T> struct Loan {
  Parameter<T>* owner = nullptr;  // null again when the parameter is gone
  std::size_t changes = 0;        // of the value
  std::string name;               // the parameter's, when it is gone
};
}  // namespace detail

// A named value and its gradient. Lives outside every tape; tapes borrow it, so it must outlive
// them, and it stays where it is.
//
// A leaf stands for the value that the parameter had when the leaf was made. Once the parameter is
// gone, or has been changed by an optimizer's step or a loaded checkpoint, whoever uses the leaf,
// backward() above all, gets a std::logic_error that names the parameter. (On a tape that does not
// record, and after the end of one that did, a leaf shows the parameter's present value.)
template <class T> class Parameter {
 public:
  Parameter(std::string its_name, Array<T> initial)
      : name(std::move(its_name)), value(std::move(initial)), grad(zeros<T>(value.shape())) {
    loan_->owner = this;
  }
  ~Parameter() {
    loan_->owner = nullptr;
    loan_->name = std::move(name);
  }
  Parameter(const Parameter&) = delete;
  Parameter& operator=(const Parameter&) = delete;

  void zero_grad() { std::fill_n(grad.data(), grad.size(), T(0)); }

  // Whoever writes to `value` while a tape may have borrowed it says so here, as the optimizers do.
  void changed() { ++loan_->changes; }

  std::string name;
  Array<T> value;
  Array<T> grad;  // backward() adds here; same shape as value

 private:
  friend class Tape<T>;
  std::shared_ptr<detail::Loan<T>> loan_ = std::make_shared<detail::Loan<T>>();
};

}  // namespace tapesort
