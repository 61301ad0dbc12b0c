"""Short vectors as numba values, for the two loops that everything waits for.

Left to itself the compiler spends more on adding up the lanes of a dot product than on the product. Here lanes are a
type: ``LANES`` numbers that LLVM maps to whatever registers the machine has (one of AVX-512, two of AVX2, four of
NEON). Loads need no alignment, nothing checks bounds.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.datamodel import PrimitiveModel
from numba.extending import intrinsic, register_model

LANES = 16
_FUSE = ("contract", "reassoc", "nsz")


class Vector(types.Type):
    """``lanes`` numbers of one floating type, held in registers."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype = dtype
        self.lanes = lanes
        super().__init__(name=f"Vector({dtype}, {lanes})")


@register_model(Vector)
class _VectorModel(PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        element = ir.FloatType() if fe_type.dtype == types.float32 else ir.DoubleType()
        super().__init__(dmm, fe_type, ir.VectorType(element, fe_type.lanes))


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [offset])


def _vector_pointer(context: Any, builder: Any, signature: Any, args: Any, vector: Any) -> Any:
    pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
    return builder.bitcast(pointer, context.get_value_type(vector).as_pointer())


@intrinsic
def load(typing_context: Any, array: Any, offset: Any) -> Any:
    """LANES numbers of a flat array from ``offset`` on."""
    vector = Vector(array.dtype, LANES)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        align = 4 if array.dtype == types.float32 else 8
        return builder.load(_vector_pointer(context, builder, signature, args, vector), align=align)

    return vector(array, types.intp), codegen


@intrinsic
def store(typing_context: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write LANES numbers into a flat array from ``offset`` on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        align = 4 if array.dtype == types.float32 else 8
        builder.store(args[2], _vector_pointer(context, builder, signature, args, value), align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def zeros(typing_context: Any, array: Any) -> Any:
    """LANES zeros of the array's type."""
    vector = Vector(array.dtype, LANES)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(vector), None)

    return vector(array), codegen


@intrinsic
def multiply_add(typing_context: Any, left: Any, right: Any, total: Any) -> Any:
    """``left * right + total`` by lanes."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(builder.fmul(args[0], args[1], flags=_FUSE), args[2], flags=_FUSE)

    return left(left, left, left), codegen


@intrinsic
def spread(typing_context: Any, value: Any) -> Any:
    """One number in all lanes."""
    vector = Vector(value, LANES)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = context.get_value_type(vector)
        first = builder.insert_element(ir.Constant(kind, ir.Undefined), args[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(first, first, _mask([0] * LANES))

    return vector(value), codegen


@intrinsic
def sums(typing_context: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """The sums of the lanes of four vectors at once, as a tuple: 13 operations instead of 32."""
    result = types.containers.UniTuple(a.dtype, 4)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low = [index for base in range(0, LANES, 4) for index in (base, LANES + base, base + 1, LANES + base + 1)]
        high = [index + 2 for index in low]
        first = _merge(builder, args[0], args[1], low, high)
        second = _merge(builder, args[2], args[3], low, high)
        # first holds a, b, a, b in every four lanes, second c, d, c, d
        low = [index for base in range(0, LANES, 4) for index in (base, base + 1, LANES + base, LANES + base + 1)]
        high = [index + 2 for index in low]
        both = _merge(builder, first, second, low, high)
        both = _halve(builder, both, 4)
        parts = [builder.extract_element(both, ir.Constant(ir.IntType(32), lane)) for lane in range(4)]
        return context.make_tuple(builder, result, parts)

    return result(a, a, a, a), codegen


@intrinsic
def total(typing_context: Any, vector: Any) -> Any:
    """The sum of the lanes of one vector."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        both = _halve(builder, args[0], 1)
        return builder.extract_element(both, ir.Constant(ir.IntType(32), 0))

    return vector.dtype(vector), codegen


@intrinsic
def prefetch(typing_context: Any, array: Any, offset: Any) -> Any:
    """Ask for the cache line at ``offset`` of a flat array; harmless anywhere."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], args[0], args[1])
        pointer = builder.bitcast(pointer, cgutils.voidptr_t)
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


def _merge(builder: Any, a: Any, b: Any, low: list[int], high: list[int]) -> Any:
    lower = builder.shuffle_vector(a, b, _mask(low))
    upper = builder.shuffle_vector(a, b, _mask(high))
    return builder.fadd(lower, upper, flags=_FUSE)


def _halve(builder: Any, vector: Any, down_to: int) -> Any:
    width = LANES
    while width > down_to:
        width //= 2
        lower = builder.shuffle_vector(vector, vector, _mask(list(range(width))))
        upper = builder.shuffle_vector(vector, vector, _mask(list(range(width, 2 * width))))
        vector = builder.fadd(lower, upper, flags=_FUSE)
    return vector


def _mask(lanes: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
