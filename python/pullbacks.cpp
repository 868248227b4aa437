// The suite of wrong and of awkward pullbacks (tests/pullbacks.hpp) for Python: gradcheck_table.py puts
// the same functions before this checker and PyTorch's.
#include "tests/pullbacks.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace tapesort::testing;

PYBIND11_MODULE(_pullbacks, m) {
  py::class_<PullbackCase>(m, "PullbackCase")
      .def_readonly("name", &PullbackCase::name)
      .def_readonly("shape", &PullbackCase::shape)
      .def_readonly("output_shape", &PullbackCase::output_shape)
      .def_readonly("x", &PullbackCase::x)
      .def("f", [](const PullbackCase& c, const Numbers& x) { return c.f(x); })
      .def("vjp", [](const PullbackCase& c, const Numbers& x, const Numbers& ybar) {
        return c.vjp(x, ybar);
      });
  m.def("wrong", &wrong_pullbacks);
  m.def("awkward", &awkward_pullbacks);
}
