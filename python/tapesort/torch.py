"""tapesort's operators for PyTorch: the same names and options, on dense CPU tensors of float32 or
float64 (of both: computed in float64).

    >>> import torch, tapesort.torch as ts
    >>> s = torch.randn(100_000, requires_grad=True)
    >>> ts.neural_sort_values(s, tau=0.1).square().sum().backward()

Tensors are read where they are, and results are tapesort's own memory, so that nothing is copied but
the gradient that comes in, which is worked on; a tensor that is changed before its gradient is asked
for is an error. What gets no gradient (labels, masks, orders) is copied at the call. Cost functions get NumPy
arrays of orders, and no gradient reaches what else they use. A gradient has no derivative of its own here:
asking PyTorch for second derivatives is an error, and so are the transforms of functorch (vmap, grad).
"""

import torch

import tapesort


def _numpy(tensor):
    return tensor.detach().resolve_neg().contiguous().numpy()


def _has_numpy(tensor):  # bfloat16 is a type of PyTorch's alone
    return tensor.device.type == "cpu" and tensor.layout == torch.strided and tensor.dtype != torch.bfloat16


class _Gradient(torch.autograd.Function):
    """The gradient as a function of ybar and the inputs, as PyTorch has to know what it depends on."""

    @staticmethod
    def forward(ctx, call, ybar, *tensors):
        return tuple(torch.from_numpy(g) for g in call.vjp(_numpy(ybar)))

    @staticmethod
    def backward(ctx, *_):
        raise RuntimeError("tapesort.torch has first derivatives only; C++ has second ones, of some operators")


class _Call(torch.autograd.Function):
    @staticmethod
    def forward(ctx, op, options, *tensors):
        arrays = {name: _numpy(t) for name, t in zip(op.arrays, tensors)}
        ctx.call = op.record(**arrays, **options, _recorded=tapesort._IN_PLACE)
        y = torch.from_numpy(ctx.call.writeable_value)
        ctx.save_for_backward(y, *tensors)
        return y

    @staticmethod
    def backward(ctx, ybar):
        _, *tensors = ctx.saved_tensors  # throws when one has been changed: the gradient reads them
        return (None, None, *_Gradient.apply(ctx.call, ybar, *tensors))


def _function(op):
    def function(*args, **options):
        bound = op.bind(*args, **options).arguments
        tensors = [bound.pop(name) for name in op.arrays]
        for name, t in zip(op.arrays, tensors):
            if not isinstance(t, torch.Tensor) or not _has_numpy(t) or t.dtype not in (
                    torch.float32, torch.float64):
                got = f"{t.dtype}, {t.layout} on {t.device}" if isinstance(t, torch.Tensor) else type(t).__name__
                raise ValueError(f"{op.__name__}: {name} is {got}; need dense CPU tensors of float32 or float64")
        for name, value in bound.items():
            if isinstance(value, torch.Tensor):
                if value.requires_grad:
                    raise ValueError(f"{op.__name__}: {name} would get no gradient; detach it")
                if not _has_numpy(value):
                    raise ValueError(f"{op.__name__}: {name} is {value.dtype}, {value.layout} on {value.device}; "
                                     "need dense CPU tensors of NumPy's types")
                bound[name] = _numpy(value)
        return _Call.apply(op, bound, *tensors)
    function.__name__ = function.__qualname__ = op.__name__
    function.__module__ = __name__
    function.__doc__ = op.summary
    function.__signature__ = op.__signature__
    return function


__all__ = [name for name in tapesort.__all__ if isinstance(getattr(tapesort, name), tapesort.Operator)]
for _name in __all__:
    globals()[_name] = _function(getattr(tapesort, _name))
