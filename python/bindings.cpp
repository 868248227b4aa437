// The Python module tapesort._tapesort: every operator as a function of NumPy arrays that returns a
// Call, with its value and its pullback. tapesort/__init__.py makes functions of them.
//
// Arrays of float32 are computed in float, all others in double. An input is copied once, into the
// tape, or used where it is (Inputs); a value is the tape's own array, shown read-only. C++ runs without
// the interpreter's lock.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <unistd.h>

#include <mutex>

#include "engine/check.hpp"
#include "gradcheck/gradcheck.hpp"
#include "models/shuffle_soft_sort.hpp"
#include "ops/elementwise.hpp"
#include "ops/estimators/control_variate.hpp"
#include "ops/masked_plackett_luce.hpp"
#include "ops/ranking.hpp"
#include "ops/sorting/k_subsets.hpp"
#include "ops/sorting/lap_sum.hpp"
#include "ops/sorting/neural_sort.hpp"
#include "ops/sorting/perturbed.hpp"
#include "ops/sorting/relaxation.hpp"
#include "ops/sorting/soft_sort.hpp"

namespace py = pybind11;
using namespace pybind11::literals;
using namespace tapesort;

namespace {

// Python ends a daemon thread that wants the interpreter's lock after the interpreter's end, and C++
// frames cannot be left in that way: it takes the process with it. Such a thread waits instead, until
// the process is gone.
void wait_if_ending() {
  while (_Py_IsFinalizing()) pause();
}

// While it lives, this thread does without the lock.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() noexcept(false) {
    wait_if_ending();
    PyEval_RestoreThread(state_);
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
};

using Extents = std::vector<std::size_t>;
Shape shape_of(const Extents& extents) { return Shape(extents.begin(), extents.end()); }

template <class T> using Dense = py::array_t<T, py::array::c_style | py::array::forcecast>;

template <class T> Array<T> to_array(const py::handle& object) {
  const Dense<T> array(py::reinterpret_borrow<py::object>(object));  // or NumPy's own error
  Array<T> copy = uninitialized<T>(Shape(array.shape(), array.shape() + array.ndim()));
  std::copy_n(array.data(), copy.size(), copy.data());
  return copy;
}

// What is recorded, and what becomes of the inputs. A gradient reads them once more, when a NumPy array
// may have changed, which PyTorch would notice.
enum Inputs { in_place_unrecorded = 0, copied = 1, in_place = 2 };

// The memory of `object`, which outlives the result, where it is dense and of type T; else a copy.
template <class T> Array<T> in_place_array(const py::object& object) {
  const auto array = py::isinstance<Dense<T>>(object) ? Dense<T>(object) : Dense<T>();
  const bool aligned = array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (array.size() == 0 || !aligned) return to_array<T>(object);
  const Shape shape(array.shape(), array.shape() + array.ndim());
  Storage::lend(const_cast<T*>(array.data()));  // which no operator changes
  return uninitialized<T>(shape);
}

// A NumPy array that shows `array`, which lives as long as `owner`.
template <class T, class Owner> py::array shown(const Array<T>& array, Owner owner) {
  auto* keeper = new Owner(std::move(owner));
  const py::capsule base(keeper, [](void* kept) { delete static_cast<Owner*>(kept); });
  return py::array_t<T>(std::vector<py::ssize_t>(array.shape().begin(), array.shape().end()),
                        array.data(), base);
}
template <class T> py::array to_numpy(Array<T> array) {
  auto owner = std::make_shared<Array<T>>(std::move(array));
  return shown(*owner, owner);
}

bool is_float32(const py::handle& object) { return py::isinstance<py::array_t<float>>(object); }

// What an operator computed, and the tape to go back on.
class Call {
 public:
  virtual ~Call() = default;
  virtual py::array value() const = 0;  // writeable: see torch.py
  virtual py::tuple vjp(const py::object& ybar) = 0;
};

template <class T> class CallOf final : public Call {
 public:
  template <class F>
  CallOf(const std::vector<py::object>& inputs, int record, const F& f)
      : kept_(std::make_shared<Kept>(inputs, record ? Recording::on : Recording::off)) {
    for (const py::object& input : inputs) {
      leaves_.push_back(
          kept_->tape.leaf(record == copied ? to_array<T>(input) : in_place_array<T>(input)));
    }
    const Unlocked unlocked;
    kept_->y = f(leaves_);
  }

  py::array value() const override { return shown(kept_->y.value(), kept_); }

  py::tuple vjp(const py::object& ybar) override {
    if (!kept_->tape.recording()) misuse("vjp: this call was not recorded");
    Array<T> u = to_array<T>(ybar);
    std::vector<Array<T>> found;
    {
      const Unlocked unlocked;
      const std::lock_guard<std::mutex> lock(mutex_);  // a tape is one thread's at a time
      kept_->tape.zero_grad();
      if (kept_->y.needs_grad()) kept_->tape.backward(kept_->y, std::move(u));
      for (const Var<T>& leaf : leaves_) found.push_back(leaf.grad());
    }
    py::tuple gradients(leaves_.size());
    for (std::size_t i = 0; i < found.size(); ++i) gradients[i] = to_numpy(std::move(found[i]));
    return gradients;
  }

 private:
  // What a value needs; the last is destroyed first. Threads share it: they do not copy the Var, whose
  // counts are one thread's.
  struct Kept {
    Kept(const std::vector<py::object>& inputs, Recording recording)
        : inputs(inputs), tape(recording) {}
    std::vector<py::object> inputs;
    Tape<T> tape;
    Var<T> y;
  };
  std::mutex mutex_;
  std::shared_ptr<Kept> kept_;
  std::vector<Var<T>> leaves_;
};

// f, a generic lambda of a std::vector of Vars, in the type that the inputs have.
template <class F>
std::unique_ptr<Call> call(const std::vector<py::object>& inputs, int record, const F& f) {
  const bool single =
      std::all_of(inputs.begin(), inputs.end(), [](const py::object& x) { return is_float32(x); });
  if (single) return std::make_unique<CallOf<float>>(inputs, record, f);
  return std::make_unique<CallOf<double>>(inputs, record, f);
}

template <class Enum>
Enum named(const char* what, const std::string& name,
           const std::vector<std::pair<const char*, Enum>>& choices) {
  std::string names;
  for (const auto& choice : choices) {
    if (name == choice.first) return choice.second;
    names += (names.empty() ? "" : ", ") + std::string(choice.first);
  }
  bad_argument("there is no ", what, " ", name, "; need one of ", names);
}

Direction direction_named(const std::string& name) {
  return named<Direction>(
      "direction", name,
      {{"descending", Direction::descending}, {"ascending", Direction::ascending}});
}

Relaxation relaxation_of(const std::string& method, double tau, const std::string& direction,
                         bool hard, double power, int iterations, double tolerance,
                         double steepness, const std::string& swap, double art_lambda,
                         const std::string& regularization, double smoothing, std::size_t samples,
                         std::uint64_t seed) {
  Relaxation r;
  r.method = method_named(method);
  r.tau = tau;
  r.direction = direction_named(direction);
  r.hard = hard;
  r.power = power;
  r.sinkhorn = {iterations, tolerance};
  r.steepness = steepness;
  r.swap = named<Swap>("swap", swap,
                       {{"logistic", Swap::logistic},
                        {"logistic_phi", Swap::logistic_phi},
                        {"gaussian", Swap::gaussian},
                        {"reciprocal", Swap::reciprocal},
                        {"cauchy", Swap::cauchy},
                        {"optimal", Swap::optimal}});
  r.art_lambda = art_lambda;
  r.smoothing = smoothing;
  r.samples = samples;
  r.seed = seed;
  r.regularization = named<Regularization>(
      "regularization", regularization, {{"l2", Regularization::l2}, {"kl", Regularization::kl}});
  return r;
}

// None, or booleans.
OptionalMask mask_of(const py::object& mask) {
  if (mask.is_none()) return std::nullopt;
  return ItemMask(to_array<bool>(mask));
}

// A Python function of arrays, called with the lock; f outlives it.
template <class T> OfOrder<T> of_order(const py::object& f) {
  return [&f](const Array<T>& scores) {
    wait_if_ending();
    const py::gil_scoped_acquire lock;
    return to_array<T>(f(to_numpy(scores)));
  };
}

// A Python cost of orders, called with the lock; f outlives it, and is not copied without the lock.
template <class T> OrderCost<T> order_cost(const py::object& f) {
  return [&f](const Indices& orders) {
    wait_if_ending();
    const py::gil_scoped_acquire lock;
    return constant(to_array<T>(f(to_numpy(orders))));
  };
}

}  // namespace

PYBIND11_MODULE(_tapesort, m) {
  m.attr("__version__") = TAPESORT_VERSION;

  py::class_<Call>(m, "Call")
      .def_property_readonly("value",
                             [](const Call& call) {
                               py::array array = call.value();
                               array.attr("flags").attr("writeable") = false;
                               return array;
                             })
      .def_property_readonly("writeable_value", &Call::value)
      .def("vjp", &Call::vjp, "ybar"_a);

  // --- Sorting

  const auto output = [](auto f) {
    return [f](const Relaxation& r, const py::object& s, const py::object& mask, int record) {
      const OptionalMask m = mask_of(mask);
      return call({s}, record, [&](const auto& x) { return f(r, x[0], m); });
    };
  };
  py::class_<Relaxation>(m, "Relaxation")
      .def(py::init(&relaxation_of), "method"_a, "tau"_a, "direction"_a, "hard"_a, "power"_a,
           "iterations"_a, "tolerance"_a, "steepness"_a, "swap"_a, "art_lambda"_a,
           "regularization"_a, "smoothing"_a, "samples"_a, "seed"_a)
      .def("matrix", output([](auto& r, auto& s, auto& m) { return r.matrix(s, m); }))
      .def("logits", output([](auto& r, auto& s, auto& m) { return r.logits(s, m); }))
      .def("sorted", output([](auto& r, auto& s, auto& m) { return r.sorted(s, m); }))
      .def("ranks", output([](auto& r, auto& s, auto& m) { return r.ranks(s, m); }))
      .def("top_k", [](const Relaxation& r, const py::object& s, std::size_t k,
                       const py::object& mask, int record) {
        const OptionalMask m = mask_of(mask);
        return call({s}, record, [&](const auto& x) { return r.top_k(x[0], k, m); });
      });

  m.def("neural_sort_payload", [](const py::object& s, const py::object& payload, double tau,
                                  const std::string& direction, const py::object& mask,
                                  int record) {
    const NeuralSortOptions options(tau, direction_named(direction));
    const auto m = mask_of(mask);
    const auto f = [&](const auto& s, const auto& X) { return neural_sort_payload(s, X, options); };
    return call({s, payload}, record, [&](const auto& x) {
      return masked("neural_sort_payload", m, By::place, f, x[0], x[1]);
    });
  });
  m.def("neural_sort_quantile", [](const py::object& s, const std::vector<double>& fractions,
                                   double tau, const std::string& direction, const py::object& mask,
                                   int record) {
    const NeuralSortOptions options(tau, direction_named(direction));
    const auto m = mask_of(mask);
    const auto f = [&](const auto& s) { return neural_sort_quantile(s, fractions, options); };
    return call({s}, record,
                [&](const auto& x) { return masked("neural_sort_quantile", m, By::set, f, x[0]); });
  });
  m.def("neural_sort_mean_ranks", [](const py::object& s, double tau, const std::string& direction,
                                     const py::object& mask, int record) {
    const NeuralSortOptions options(tau, direction_named(direction));
    const auto m = mask_of(mask);
    const auto f = [&](const auto& s) { return neural_sort_ranks(s, options, Ranks::mean); };
    return call({s}, record, [&](const auto& x) {
      return masked("neural_sort_mean_ranks", m, By::item, f, x[0]);
    });
  });
  m.def("neural_sort_cross_entropy",
        [](const py::object& s, const py::object& truth, double tau, const std::string& direction,
           const py::object& mask, int record) {
          const NeuralSortOptions options(tau, direction_named(direction));
          const Array<double> order = to_array<double>(truth);
          const auto m = mask_of(mask);
          const auto f = [&](const auto& s, const auto& t) {
            return neural_sort_cross_entropy(s, t, options);
          };
          return call({s}, record, [&](const auto& x) {
            using T = typename std::decay_t<decltype(x[0].value())>::value_type;
            return masked("neural_sort_cross_entropy", m, By::set, f, x[0], convert<T>(order));
          });
        });
  m.def("gumbel_sinkhorn", [](const py::object& log_alpha, double tau, std::uint64_t seed,
                              double noise_scale, int iterations, double tolerance, int record) {
    return call({log_alpha}, record, [&](const auto& x) {
      Generator random(seed);
      return gumbel_sinkhorn(x[0], tau, random, noise_scale, {iterations, tolerance});
    });
  });
  m.def("lap_sum_top_k", [](const py::object& s, double k, double tau, const std::string& direction,
                            const py::object& mask, int record) {
    const auto m = mask_of(mask);
    const auto f = [&](const auto& s, double k) {
      return lap_sum_top_k(s, k, tau, direction_named(direction));
    };
    return call({s}, record, [&](const auto& x) {
      return masked_top_k("lap_sum_top_k", m, By::item, k, f, x[0]);
    });
  });
  m.def("k_subset_log_partition",
        [](const py::object& s, std::size_t k, const py::object& mask, int record) {
          const auto m = mask_of(mask);
          const auto f = [](const auto& s, auto k) { return k_subset_log_partition(s, k); };
          return call({s}, record, [&](const auto& x) {
            return masked_top_k("k_subset_log_partition", m, By::set, k, f, x[0]);
          });
        });
  m.def("k_subset_log_prob", [](const py::object& s, const py::object& subsets,
                                const py::object& mask, int record) {
    const Indices items = to_array<Index>(subsets);
    const OptionalMask m = mask_of(mask);
    return call({s}, record, [&](const auto& x) { return k_subset_log_prob(x[0], items, m); });
  });
  m.def("k_subset_sample", [](const py::object& s, std::size_t k, std::uint64_t seed,
                              const Extents& samples, const py::object& mask) {
    Generator random(seed);
    const Array<double> scores = to_array<double>(s);
    return to_numpy(k_subset_sample(scores, k, random, shape_of(samples), mask_of(mask)));
  });
  m.def("k_subset_straight_through",
        [](const py::object& s, std::size_t k, std::uint64_t seed, const Extents& samples,
           const py::object& mask, int record) {
          const OptionalMask m = mask_of(mask);
          return call({s}, record, [&](const auto& x) {
            Generator random(seed);
            return k_subset_straight_through(x[0], k, random, shape_of(samples), m);
          });
        });
  m.def("fenchel_young_loss",
        [](const py::object& s, const py::object& target, const py::object& f, double sigma,
           std::size_t samples, std::uint64_t seed, const py::object& mask, int record) {
          const Array<double> goal = to_array<double>(target);
          const auto m = mask_of(mask);
          return call({s}, record, [&](const auto& x) {
            using T = typename std::decay_t<decltype(x[0].value())>::value_type;
            const auto loss = [&](const Var<T>& s, const Array<T>& t) {
              Generator random(seed);
              return fenchel_young_loss(s, t, of_order<T>(f), {sigma, samples}, random);
            };
            return masked("fenchel_young_loss", m, By::set, loss, x[0], convert<T>(goal));
          });
        });
  m.def("shuffle_soft_sort", [](const py::object& items, const py::object& loss, std::size_t phases,
                                std::size_t steps, double learning_rate, double tau_first,
                                double tau_last, std::uint64_t seed) {
    const auto lowered = [&loss](const Var<double>& arranged) {
      wait_if_ending();
      const py::gil_scoped_acquire lock;
      const py::object pair = loss(to_numpy(Array<double>(arranged.value())));
      const Array<double> value = to_array<double>(pair[py::int_(0)]);
      const Array<double> slope = to_array<double>(pair[py::int_(1)]);
      return record("loss", {arranged}, value,
                    [slope](Node<double>& y) { accumulate(y.input(0), slope * y.cotangent()()); });
    };
    ShuffleSoftSort<double> sorter(to_array<double>(items), lowered,
                                   {phases, steps, learning_rate, tau_first, tau_last}, seed);
    {
      const Unlocked unlocked;
      while (sorter.phase()) {
      }
    }
    return to_numpy(sorter.order());
  });
  m.def("argsort", [](const py::object& s, const std::string& direction) {
    return to_numpy(argsort(to_array<double>(s), direction_named(direction)));
  });

  // --- Plackett-Luce and the estimators

  m.def("pl_log_prob",
        [](const py::object& s, const py::object& order, const py::object& mask, int record) {
          const Indices z = to_array<Index>(order);
          const auto m = mask_of(mask);
          return call({s}, record, [&](const auto& x) {
            return m ? MaskedPlackettLuce(x[0], *m).log_prob(z) : PlackettLuce(x[0]).log_prob(z);
          });
        });
  m.def("pl_sample", [](const py::object& s, std::uint64_t seed, const Extents& samples,
                        const py::object& mask) {
    const Var<double> scores = constant(to_array<double>(s));
    Generator random(seed);
    if (const auto m = mask_of(mask)) {
      return to_numpy(MaskedPlackettLuce(scores, *m).sample(random, shape_of(samples)));
    }
    return to_numpy(PlackettLuce<double>(scores).sample(random, shape_of(samples)));
  });
  m.def("pl_relaxed_sample", [](const py::object& s, const Relaxation& r, std::uint64_t seed,
                                const Extents& samples, bool straight_through,
                                const py::object& mask, int record) {
    const auto m = mask_of(mask);
    return call({s}, record, [&](const auto& x) {
      Generator random(seed);
      const auto relaxed = [&](const auto& scores) { return r.matrix(scores); };
      const auto sample = [&](const auto& pl) {
        return straight_through ? pl.straight_through_sample(relaxed, random, shape_of(samples))
                                : pl.relaxed_sample(relaxed, random, shape_of(samples));
      };
      return m ? sample(MaskedPlackettLuce(x[0], *m)) : sample(PlackettLuce(x[0]));
    });
  });
  m.def("pl_entropy", [](const py::object& s, std::uint64_t seed, std::size_t samples,
                         const py::object& mask, int record) {
    const auto m = mask_of(mask);
    return call({s}, record, [&](const auto& x) {
      const auto f = [&](const auto& s) {
        Generator random(seed);
        return PlackettLuce(s).entropy(random, samples);
      };
      return masked("pl_entropy", m, By::set, f, x[0]);
    });
  });
  m.def("pl_divergence", [](const py::object& p, const py::object& q, std::uint64_t seed,
                            std::size_t samples, const py::object& mask, int record) {
    const auto m = mask_of(mask);
    return call({p, q}, record, [&](const auto& x) {
      const auto f = [&](const auto& p, const auto& q) {
        Generator random(seed);
        return PlackettLuce(p).divergence(PlackettLuce(q), random, samples);
      };
      return masked("pl_divergence", m, By::set, f, x[0], x[1]);
    });
  });
  m.def("exact_expectation", [](const py::object& s, const py::object& cost, int record) {
    return call({s}, record, [&](const auto& x) {
      using T = typename std::decay_t<decltype(x[0].value())>::value_type;
      return exact_expectation(x[0], order_cost<T>(cost));
    });
  });
  m.def("reinforce",
        [](const py::object& s, const py::object& cost, std::size_t samples, std::uint64_t seed,
           bool leave_one_out, const py::object& mask, int record) {
          const auto m = mask_of(mask);
          return call({s}, record, [&](const auto& x) {
            using T = typename std::decay_t<decltype(x[0].value())>::value_type;
            Generator random(seed);
            if (m) {  // one call of the cost for all sets
              const MaskedPlackettLuce p(x[0], *m);
              const Indices orders = p.sample(random, {samples});
              const Var<T> f = detail::evaluate_cost<T>("reinforce", order_cost<T>(cost), orders);
              return score_function(f, p.log_prob(orders),
                                    leave_one_out ? leave_one_out_mean(f.value()) : scalar(T(0)));
            }
            return reinforce(x[0], order_cost<T>(cost), samples, random,
                             leave_one_out ? Baseline::leave_one_out : Baseline::none);
          });
        });

  // --- Learning to rank

  m.def("ranking_loss", [](const std::string& name, const py::object& s, const py::object& labels,
                           double tau, std::size_t k, const py::object& mask, int record) {
    const Array<double> given = to_array<double>(labels);
    const OptionalMask m = mask_of(mask);
    return call({s}, record, [&](const auto& x) {
      using T = typename std::decay_t<decltype(x[0].value())>::value_type;
      const Array<T> y = convert<T>(given);
      if (name == "list_mle") return list_mle_loss(x[0], y, m);
      if (name == "list_net") return list_net_loss(x[0], y, m);
      if (name == "pairwise_logistic") return pairwise_logistic_loss(x[0], y, m);
      if (name == "neural_ndcg") return neural_ndcg_loss(x[0], y, tau, k, m);
      if (name == "pi_rank") return pi_rank_loss(x[0], y, tau, k, m);
      if (name == "spearman") return spearman_loss(x[0], y, tau, m);
      const auto weights = named<LambdaWeights>(
          "weights", name,
          {{"ndcg_loss2", LambdaWeights::ndcg_loss2}, {"lambda_rank", LambdaWeights::lambda_rank}});
      return lambda_loss(x[0], y, weights, m);
    });
  });
  m.def("ndcg",
        [](const py::object& s, const py::object& labels, std::size_t k, const py::object& mask) {
          return to_numpy(ndcg(to_array<double>(s), to_array<double>(labels), k, mask_of(mask)));
        });
  m.def("reciprocal_rank", [](const py::object& s, const py::object& labels,
                              const py::object& mask) {
    return to_numpy(reciprocal_rank(to_array<double>(s), to_array<double>(labels), mask_of(mask)));
  });

  // --- Gradient checks of Python functions

  py::class_<GradcheckReport>(
      m, "GradcheckReport", "What gradcheck found: true when nothing is wrong, printed as a table.")
      .def_property_readonly("ok", &GradcheckReport::ok, "Whether nothing is wrong.")
      .def_readonly("failure", &GradcheckReport::failure,
                    "Why no gradients were compared, '' when they were.")
      .def("json", &GradcheckReport::json,
           "All of it, as JSON: what ran, and each input's worst elements.")
      .def("__bool__", &GradcheckReport::ok)
      .def("__str__", &GradcheckReport::text)
      .def("__repr__", &GradcheckReport::text);

  m.def("gradcheck",
        [](const py::object& f, const py::object& vjp, const std::vector<py::object>& inputs,
           const std::vector<std::string>& names, const std::string& mode, double tolerance,
           std::uint64_t seed) {
          GradcheckProblem problem;
          std::vector<py::object> at;
          problem.single = std::all_of(inputs.begin(), inputs.end(), is_float32);
          for (std::size_t i = 0; i < inputs.size(); ++i) {
            const Array<double> x = to_array<double>(inputs[i]);
            problem.inputs.push_back(
                {names[i], {x.shape().begin(), x.shape().end()}, {x.data(), x.data() + x.size()}});
          }
          const auto array_of = [&](const std::vector<double>& values,
                                    const std::vector<std::size_t>& shape) {
            py::array_t<double> array(std::vector<py::ssize_t>(shape.begin(), shape.end()));
            std::copy(values.begin(), values.end(), array.mutable_data());
            return problem.single ? py::object(array.attr("astype")("float32")) : py::object(array);
          };
          const auto numbers = [](const Array<double>& x) {
            return std::vector<double>(x.data(), x.data() + x.size());
          };
          // A function's exception says that x is not of its domain; Ctrl-C and sys.exit() end the check,
          // past the library, which catches std::exception.
          struct Ended {
            py::error_already_set error;
          };
          const auto called = [](const py::object& function, const py::list& list) -> py::object {
            try {
              return function(*list);
            } catch (const py::error_already_set& error) {
              if (!error.matches(PyExc_Exception)) throw Ended{error};
              throw;
            }
          };
          const auto arguments = [&](const GradcheckProblem::Values& x) {
            py::list list;
            for (std::size_t i = 0; i < x.size(); ++i) {
              list.append(array_of(x[i], problem.inputs[i].shape));
            }
            return list;
          };
          GradcheckProblem::Values values;
          for (const GradcheckInput& input : problem.inputs) values.push_back(input.values);
          const Array<double> y = to_array<double>(f(*arguments(values)));
          problem.output_shape.assign(y.shape().begin(), y.shape().end());
          problem.f = [&](const GradcheckProblem::Values& x) {
            return numbers(to_array<double>(called(f, arguments(x))));
          };
          problem.vjp = [&](const GradcheckProblem::Values& x, const std::vector<double>& ybar) {
            py::list list = arguments(x);
            list.append(array_of(ybar, problem.output_shape));
            GradcheckProblem::Values result;
            for (const py::handle& gradient : called(vjp, list)) {
              const Array<double> xbar = to_array<double>(gradient);
              const GradcheckInput& input = problem.inputs[result.size()];
              const Shape shape(input.shape.begin(), input.shape.end());
              require(xbar.shape() == shape, "gradcheck: vjp gives an array of shape ",
                      xbar.shape(), " for input ", input.name, " of shape ", shape);
              result.push_back(numbers(xbar));
            }
            return result;
          };
          GradcheckOptions options;
          options.mode = named<GradcheckMode>("mode", mode,
                                              {{"automatic", GradcheckMode::automatic},
                                               {"full", GradcheckMode::full},
                                               {"fast", GradcheckMode::fast},
                                               {"sparse", GradcheckMode::sparse},
                                               {"taylor", GradcheckMode::taylor}});
          options.tolerance = tolerance;
          options.seed = seed;
          try {
            return gradcheck(problem, options);
          } catch (const Ended& ended) {
            throw py::error_already_set(ended.error);
          }
        });
}
