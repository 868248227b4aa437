#include "engine/parameter.hpp"

#include "engine/broadcast.hpp"
#include "engine/check.hpp"
#include "engine/dual.hpp"

namespace tapesort {
namespace {

// A leaf whose value and gradient are the parameter's.
template <class T> class ParameterLeaf final : public Node<T> {
 public:
  explicit ParameterLeaf(std::shared_ptr<detail::Loan<T>> loan)
      : Node<T>("parameter", {}, Array<T>()), loan_(std::move(loan)), changes_(loan_->changes) {
    this->borrows_ = true;
  }
  std::string name() const override { return parameter().name; }

 private:
  const Array<T>& borrowed() const override { return parameter().value; }
  void pull() override {
    Parameter<T>& p = parameter();
    require_same_shape("backward", "a parameter's value", p.value.shape(), "its grad",
                       p.grad.shape());
    add_into(p.grad, this->cotangent());
  }
  Parameter<T>& parameter() const {
    if (loan_->owner == nullptr) {
      misuse("parameter ", loan_->name,
             " is gone; it must outlive the tapes and Vars that borrow its value");
    }
    if (this->tape() != nullptr && loan_->changes != changes_) {
      misuse("parameter ", loan_->owner->name,
             " has changed since this tape borrowed its value; use a new tape for each step");
    }
    return *loan_->owner;
  }

  std::shared_ptr<detail::Loan<T>> loan_;
  std::size_t changes_;  // when the loan began
};

}  // namespace

template <class T> Var<T> Tape<T>::leaf(Parameter<T>& parameter) {
  auto* node = new ParameterLeaf<T>(parameter.loan_);
  return recording() ? append(node) : Var<T>(node);
}

template Var<float> Tape<float>::leaf(Parameter<float>&);
template Var<double> Tape<double>::leaf(Parameter<double>&);
template Var<Dual<double>> Tape<Dual<double>>::leaf(Parameter<Dual<double>>&);

}  // namespace tapesort
