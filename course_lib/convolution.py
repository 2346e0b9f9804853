"""Convolution and pooling over time and over images, channels last as in Keras.

A convolution is a :class:`course_lib.layers.Dense` layer on a window that slides: each output is one matrix product of
a window, laid out flat, with the same kernel. So ``forward`` lays out all windows and makes one product of them.

None of these layers takes a mask, and Keras' convolutions do nothing with theirs: a window reaches over the end of a
row into its padding. Where the padding holds zeros, the first layer with ``padding="same"`` or ``"causal"`` gives at
real steps what it gives for the row alone; behind it the padding holds what the bias makes of zeros, and each further
"same" layer lets (kernel_size - 1) / 2 steps of that in. A "causal" layer never looks at what comes later, so padding
at the end does not reach real steps. With strides or ``padding="valid"`` the axis of time gets shorter, and a mask for
the layers behind must be made for the new steps.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, DTypeLike

from course_lib.base_layer import Layer, _as_features, _as_floats
from course_lib.layers import ACTIVATIONS

__all__ = ["Conv1D", "Conv2D", "Flatten", "GlobalMaxPooling1D", "MaxPooling1D", "MaxPooling2D"]


# ---------------------------------------------------------------------------------------------------------------------
# Windows
# ---------------------------------------------------------------------------------------------------------------------
def _margins(size, window, stride, padding):
    """How many zeros come before and behind an axis, as in TensorFlow: an odd one goes behind."""
    if padding == "causal":
        return window - 1, 0
    if padding == "valid":
        return 0, 0
    total = max((math.ceil(size / stride) - 1) * stride + window - size, 0)  # "same": ceil(size / stride) windows
    return total // 2, total - total // 2


class _Windows:
    """The windows of one input over its axes between batch and features, and the way back for gradients."""

    def __init__(self, shape, window, strides, padding, layer):
        self.window, self.strides = window, strides
        sizes = list(zip(shape[1:-1], window, strides, strict=True))
        margins = [_margins(*size, padding) for size in sizes]
        self.margins = [(0, 0), *margins, (0, 0)]
        longest = [size + sum(margin) for size, margin in zip(shape[1:-1], margins, strict=True)]
        self.padded_shape = shape[0], *longest, shape[-1]
        if 0 in shape or any(size < w for size, w in zip(longest, window, strict=True)):
            raise ValueError(
                f"{layer} slides a window of {' x '.join(map(str, window))} with padding={padding!r}, but got an input "
                f"of shape {shape}, into which it does not fit. Take a smaller window, padding='same' or larger inputs."
            )
        self.out_sizes = tuple((n - w) // stride + 1 for n, w, stride in zip(longest, window, strides, strict=True))

    def of(self, x, fill=0.0):
        """(batch, *sizes, features) -> (batch, *out sizes, *window, features), a view of the padded input."""
        if any(sum(margin) for margin in self.margins):
            x = np.pad(x, self.margins, constant_values=fill)
        every = sliding_window_view(x, self.window, tuple(range(1, x.ndim - 1)))  # (batch, *places, features, *window)
        some = every[(slice(None), *(slice(None, None, stride) for stride in self.strides))]
        return np.moveaxis(some, len(self.window) + 1, -1)

    def back(self, d_windows):
        """The gradient of the input: each place collects what the windows over it got, one offset after another."""
        dx = np.zeros(self.padded_shape, d_windows.dtype)
        for offset in np.ndindex(*self.window):
            seen = [
                slice(start, start + stride * (out - 1) + 1, stride)
                for start, stride, out in zip(offset, self.strides, self.out_sizes, strict=True)
            ]
            dx[(slice(None), *seen)] += d_windows[(..., *offset, slice(None))]
        inner = [slice(before, n - after) for (before, after), n in zip(self.margins, dx.shape, strict=True)]
        return dx[tuple(inner)]


def _sizes(value, axes, name, layer):
    """A size for each axis, from one number or from one for each."""
    sizes = (value,) * axes if np.ndim(value) == 0 else tuple(value)
    if len(sizes) != axes or not all(isinstance(n, int | np.integer) and n >= 1 for n in sizes):
        raise ValueError(
            f"{layer}'s {name} is a whole number of at least 1{'' if axes == 1 else f', or {axes} of them'}, but got "
            f"{value!r}."
        )
    return tuple(int(n) for n in sizes)


def _as_given(value, sizes):
    """One number or a tuple, whatever kind of number or list was given."""
    return sizes[0] if np.ndim(value) == 0 else sizes


def _check_padding(padding, known, layer):
    if padding not in known:
        raise ValueError(f"{layer} knows the paddings {', '.join(known)}, but got {padding!r}.")


# ---------------------------------------------------------------------------------------------------------------------
# Convolution
# ---------------------------------------------------------------------------------------------------------------------
class _Convolution(Layer):
    """What :class:`Conv1D` and :class:`Conv2D` share."""

    weight_names = ("kernel", "bias")
    _axes, _paddings = 1, ("valid", "same")

    def _build(self, features, filters, kernel_size, strides, padding, activation, rng, dtype):
        name = type(self).__name__
        if activation not in ACTIVATIONS:
            raise ValueError(f"{name} knows the activations {', '.join(ACTIVATIONS)}, but got {activation!r}.")
        _check_padding(padding, self._paddings, name)
        self._window = _sizes(kernel_size, self._axes, "kernel_size", name)
        self._steps = _sizes(strides, self._axes, "strides", name)
        self.features, self.filters, self.padding, self.activation = features, filters, padding, activation
        self.kernel_size, self.strides = _as_given(kernel_size, self._window), _as_given(strides, self._steps)
        self.dtype = np.dtype(dtype)
        limit = np.sqrt(6 / (math.prod(self._window) * (features + filters)))  # Glorot uniform
        self.kernel = rng.uniform(-limit, limit, (*self._window, features, filters)).astype(dtype)
        self.bias = np.zeros(filters, dtype)

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """The layer's outputs.

        Parameters
        ----------
        x : (batch, ..., features) array of float
            With the axis of time, or those of rows and columns, in the middle.
        training : bool
            Makes no difference.

        Returns
        -------
        y : (batch, ..., filters) array
            One vector for each window.

        Raises
        ------
        ValueError, TypeError
            For an input of the wrong shape or kind.
        """
        name = type(self).__name__
        x = _with_axes(_as_features(x, self.features, name, self.dtype), self._axes, name)
        windows = _Windows(x.shape, self._window, self._steps, self.padding, name)
        flat = windows.of(x).reshape(-1, self.kernel.size // self.filters)  # a copy: each window laid out in a row
        a = flat @ self.kernel.reshape(-1, self.filters) + self.bias
        y = ACTIVATIONS[self.activation][0](a).reshape(len(x), *windows.out_sizes, self.filters)
        self._cache = windows, flat, y
        return y

    def backward(self, dy: np.ndarray, input_gradient: bool = True) -> np.ndarray | None:
        """Backpropagate, and leave ∂L/∂kernel and ∂L/∂bias in ``grads``.

        Parameters
        ----------
        dy : (batch, ..., filters) array
            ∂L/∂y.
        input_gradient : bool
            Whether ∂L/∂x is wanted.

        Returns
        -------
        dx : (batch, ..., features) array, or None
            ∂L/∂x.
        """
        windows, flat, y = self._need_forward()
        da = (np.asarray(dy, self.dtype) * ACTIVATIONS[self.activation][1](y)).reshape(-1, self.filters)
        self.grads = [(flat.T @ da).reshape(self.kernel.shape), da.sum(axis=0)]
        if not input_gradient:
            return None
        d_flat = da @ self.kernel.reshape(-1, self.filters).T
        return windows.back(d_flat.reshape(*y.shape[:-1], *self._window, self.features))


class Conv1D(_Convolution):
    """Convolution over time: (batch, time, features) -> (batch, new time, filters).

    y_t = activation(Σ_i x_{t+i} W_i + b), the sum over a window of ``kernel_size`` steps.

    Parameters
    ----------
    features, filters : int
        Size of x's and of y's last axis.
    kernel_size : int
        Steps in a window.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform, with Keras' limits); the bias starts at zero.
    strides : int
        Steps from one window to the next.
    padding : {"valid", "same", "causal"}
        "valid": only windows that fit, time - kernel_size + 1 of them with strides 1. "same": zeros on both sides, so
        that there are time / strides windows, rounded up. "causal": zeros in front alone, so that y_t depends on no
        step after t.
    activation : {"linear", "sigmoid", "tanh", "relu"}
        The function applied to each sum.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    kernel : (kernel_size, features, filters) array
        W, as in Keras.
    bias : (filters,) array
        b.

    Raises
    ------
    ValueError
        If a size is no whole number of at least 1, or the padding or the activation is unknown.

    Examples
    --------
    >>> layer = Conv1D(8, 16, 3, rng=np.random.default_rng(0), padding="same", activation="relu")
    >>> layer
    Conv1D(features=8, filters=16, kernel_size=3, strides=1, padding='same', activation='relu')
    >>> layer.forward(np.zeros((32, 60, 8))).shape
    (32, 60, 16)
    """

    _axes, _paddings = 1, ("valid", "same", "causal")

    def __init__(
        self,
        features: int,
        filters: int,
        kernel_size: int,
        *,
        rng: np.random.Generator,
        strides: int = 1,
        padding: str = "valid",
        activation: str = "linear",
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._build(features, filters, kernel_size, strides, padding, activation, rng, dtype)


class Conv2D(_Convolution):
    """Convolution over rows and columns: (batch, rows, columns, features) -> (batch, new rows, new columns, filters).

    Parameters
    ----------
    features, filters : int
        Size of x's and of y's last axis: the channels.
    kernel_size : int or (int, int)
        Rows and columns of a window.
    rng : numpy.random.Generator
        Draws the kernel (Glorot uniform, with Keras' limits); the bias starts at zero.
    strides : int or (int, int)
        Rows and columns from one window to the next.
    padding : {"valid", "same"}
        "valid": only windows that fit. "same": zeros on all sides, so that there are size / strides windows, rounded
        up.
    activation : {"linear", "sigmoid", "tanh", "relu"}
        The function applied to each sum.
    dtype : numpy dtype
        float32 for training, float64 for gradient checks. Inputs are cast to it.

    Attributes
    ----------
    kernel : (kernel rows, kernel columns, features, filters) array
        As in Keras.
    bias : (filters,) array
        Added to each sum.

    Raises
    ------
    ValueError
        If a size is no whole number of at least 1, or the padding or the activation is unknown.

    Examples
    --------
    >>> layer = Conv2D(1, 4, 3, rng=np.random.default_rng(0), strides=(2, 1), padding="same")
    >>> layer.forward(np.zeros((32, 8, 60, 1))).shape
    (32, 4, 60, 4)
    """

    _axes = 2

    def __init__(
        self,
        features: int,
        filters: int,
        kernel_size: int | tuple[int, int],
        *,
        rng: np.random.Generator,
        strides: int | tuple[int, int] = 1,
        padding: str = "valid",
        activation: str = "linear",
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._build(features, filters, kernel_size, strides, padding, activation, rng, dtype)


# ---------------------------------------------------------------------------------------------------------------------
# Pooling
# ---------------------------------------------------------------------------------------------------------------------
class _MaxPooling(Layer):
    """What :class:`MaxPooling1D` and :class:`MaxPooling2D` share."""

    _axes = 1

    def _build(self, pool_size, strides, padding):
        name = type(self).__name__
        _check_padding(padding, ("valid", "same"), name)
        self._window = _sizes(pool_size, self._axes, "pool_size", name)
        self._steps = self._window if strides is None else _sizes(strides, self._axes, "strides", name)
        self.pool_size, self.padding = _as_given(pool_size, self._window), padding
        self.strides = None if strides is None else _as_given(strides, self._steps)

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """The largest number of each window, feature by feature.

        Parameters
        ----------
        x : (batch, ..., features) array of float
            With the axis of time, or those of rows and columns, in the middle.
        training : bool
            Makes no difference.

        Returns
        -------
        (batch, ..., features) array
            One vector for each window.

        Raises
        ------
        ValueError, TypeError
            For an input of the wrong shape or kind.
        """
        name = type(self).__name__
        x = _with_axes(_as_floats(x, name), self._axes, name)
        windows = _Windows(x.shape, self._window, self._steps, self.padding, name)
        flat = windows.of(x, -np.inf).reshape(len(x), *windows.out_sizes, -1, x.shape[-1])
        where = flat.argmax(axis=-2, keepdims=True)  # the first of equals
        self._cache = windows, where, flat.shape
        return np.take_along_axis(flat, where, axis=-2).squeeze(-2)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate: the largest number of each window gets the gradient, the first one of equals.

        Parameters
        ----------
        dy : (batch, ..., features) array
            ∂L/∂output.

        Returns
        -------
        (batch, ..., features) array
            ∂L/∂x.
        """
        windows, where, shape = self._need_forward()
        dy = np.asarray(dy)
        d_flat = np.zeros(shape, dy.dtype)
        np.put_along_axis(d_flat, where, np.expand_dims(dy, -2), axis=-2)
        return windows.back(d_flat.reshape(*shape[:-2], *self._window, shape[-1]))


class MaxPooling1D(_MaxPooling):
    """The largest of each few steps: (batch, time, features) -> (batch, new time, features).

    Parameters
    ----------
    pool_size : int
        Steps in a window.
    strides : int, optional
        Steps from one window to the next; ``pool_size`` by default.
    padding : {"valid", "same"}
        "valid" leaves out steps at the end that fill no window, "same" takes a smaller window there.

    Raises
    ------
    ValueError
        If a size is no whole number of at least 1, or the padding is unknown.

    Examples
    --------
    >>> MaxPooling1D(2).forward(np.array([[[1.0], [3.0], [2.0], [0.0], [9.0]]])).ravel()
    array([3., 2.])
    """

    def __init__(self, pool_size: int = 2, *, strides: int | None = None, padding: str = "valid") -> None:
        self._build(pool_size, strides, padding)


class MaxPooling2D(_MaxPooling):
    """The largest of each rectangle: (batch, rows, columns, features) -> (batch, new rows, new columns, features).

    Parameters
    ----------
    pool_size : int or (int, int)
        Rows and columns of a window; ``(2, 1)`` halves the rows of a strip and keeps its columns, the time.
    strides : int or (int, int), optional
        From one window to the next; ``pool_size`` by default.
    padding : {"valid", "same"}
        "valid" leaves out what fills no window at the end, "same" takes a smaller window there.

    Raises
    ------
    ValueError
        If a size is no whole number of at least 1, or the padding is unknown.

    Examples
    --------
    >>> MaxPooling2D((2, 1)).forward(np.zeros((32, 8, 60, 4))).shape
    (32, 4, 60, 4)
    """

    _axes = 2

    def __init__(
        self,
        pool_size: int | tuple[int, int] = (2, 2),
        *,
        strides: int | tuple[int, int] | None = None,
        padding: str = "valid",
    ) -> None:
        self._build(pool_size, strides, padding)


class GlobalMaxPooling1D(Layer):
    """The largest over all steps: (batch, time, features) -> (batch, features), for one prediction a sequence.

    Padding counts as steps: give it rows of equal lengths, or numbers that are never largest in the padding.

    Examples
    --------
    >>> GlobalMaxPooling1D().forward(np.array([[[1.0, 8.0], [3.0, -2.0]]]))
    array([[3., 8.]])
    """

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """The largest number of each feature.

        Parameters
        ----------
        x : (batch, time, features) array of float
            At least one step long.
        training : bool
            Makes no difference.

        Returns
        -------
        (batch, features) array

        Raises
        ------
        ValueError, TypeError
            For an input of the wrong shape or kind.
        """
        x = _with_axes(_as_floats(x, "GlobalMaxPooling1D"), 1, "GlobalMaxPooling1D")
        if x.shape[1] == 0:
            raise ValueError(f"There is no largest of no steps: GlobalMaxPooling1D got an input of shape {x.shape}.")
        where = x.argmax(axis=1, keepdims=True)
        self._cache = where, x.shape
        return np.take_along_axis(x, where, axis=1)[:, 0]

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate: the largest step of each feature gets the gradient, the first one of equals.

        Parameters
        ----------
        dy : (batch, features) array
            ∂L/∂output.

        Returns
        -------
        (batch, time, features) array
            ∂L/∂x.
        """
        where, shape = self._need_forward()
        dx = np.zeros(shape, np.asarray(dy).dtype)
        np.put_along_axis(dx, where, np.asarray(dy)[:, None], axis=1)
        return dx


class Flatten(Layer):
    """All numbers of a row in one vector: (batch, ...) -> (batch, features), between a picture and a Dense layer.

    Examples
    --------
    >>> Flatten().forward(np.zeros((32, 4, 4, 16))).shape
    (32, 256)
    """

    def forward(self, x: ArrayLike, training: bool = False) -> np.ndarray:
        """Lay out each row flat.

        Parameters
        ----------
        x : (batch, ...) array
            Any number of axes behind the batch.
        training : bool
            Makes no difference.

        Returns
        -------
        (batch, features) array

        Raises
        ------
        ValueError
            If there is no axis of rows.
        """
        x = np.asarray(x)
        if x.ndim == 0:
            raise ValueError("Flatten takes rows of numbers, (batch, ...), but got a single number.")
        self._cache = x.shape
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Backpropagate: the gradient in the shape of the input.

        Parameters
        ----------
        dy : (batch, features) array
            ∂L/∂output.

        Returns
        -------
        (batch, ...) array
            ∂L/∂x.
        """
        return np.asarray(dy).reshape(self._need_forward())


def _with_axes(x, axes, layer):
    if x.ndim != axes + 2:
        wanted = "(batch, time, features)" if axes == 1 else "(batch, rows, columns, features)"
        grey = " A picture without channels is x[..., None]." if axes == 2 else ""
        raise ValueError(f"{layer} takes inputs of shape {wanted}, but got {x.shape}.{grey}")
    return x
