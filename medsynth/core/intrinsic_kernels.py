"""What compiled loops need and numba does not offer: slices that count no references, rows of 16 numbers at once."""
# ruff: noqa: ARG001  (numba calls an intrinsic with every argument, to find its type)
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disable-error-code="misc"

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

ROW = 16  # numbers that `blend_rows` works on together: whole SIMD registers on every machine


@intrinsic
def borrowed(typing_context, array):
    """Return the same array without its reference count, for a time in which the caller holds the array itself.

    numba counts references at every slice, with an atomic operation on a word that all threads share: a quarter of one
    thread's time in loops that slice rows, and more of two.
    """

    def generate(context, builder, signature, args):
        given = context.make_array(signature.args[0])(context, builder, args[0])
        given.meminfo = cgutils.get_null_value(given.meminfo.type)
        given.parent = cgutils.get_null_value(given.parent.type)
        return given._getvalue()

    return array(array), generate


@intrinsic
def blend_rows(typing_context, out, at, rows, places, weights, add):
    """Write the sum of weights[m] * rows[places[m] : places[m] + 16] to out[at : at + 16].

    out, rows : flat float32 arrays. places, weights : tuples of four. add : a literal; True adds to what is there.
    The compiler cannot know that rows do not overlap, and would take them number by number. The order of the sum is
    fixed, so that every machine gives the same bits.
    """
    keep = getattr(add, "literal_value", None)
    if keep is None:
        return None
    four_places, four_weights = types.UniTuple(types.intp, 4), types.UniTuple(types.float32, 4)
    signature = types.void(out, types.intp, rows, four_places, four_weights, add)

    def generate(context, builder, signature, args):
        row = ir.VectorType(ir.FloatType(), ROW)

        def pointer(kind, array, place):
            data = context.make_array(kind)(context, builder, array).data
            return builder.bitcast(builder.gep(data, [place]), row.as_pointer())

        def load(address):
            loaded = builder.load(address)
            loaded.align = 4
            return loaded

        target = pointer(signature.args[0], args[0], args[1])
        total = load(target) if keep else None
        for place, weight in zip(
            cgutils.unpack_tuple(builder, args[3]), cgutils.unpack_tuple(builder, args[4]), strict=True
        ):
            one = builder.insert_element(ir.Constant(row, ir.Undefined), weight, ir.IntType(32)(0))
            every = builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), ROW), [0] * ROW))
            part = builder.fmul(every, load(pointer(signature.args[2], args[2], place)))
            total = part if total is None else builder.fadd(total, part)
        stored = builder.store(total, target)
        stored.align = 4
        return context.get_dummy_value()

    return signature, generate
